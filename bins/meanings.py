"""The settings of a training, for --help: each with its type, default and meaning."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator, Mapping
from inspect import Parameter
from typing import Any

from utils.meanings import meaning


def kind_of(annotation: Any) -> str:
    """A type as a user would say it: float, true|false, bf16|fp16, [int, ...]."""
    from models.base.options import kinds

    words = [_word(kind) for kind in kinds(annotation) if kind is not type(None)]
    return " or ".join(dict.fromkeys(words))


def _word(kind: Any) -> str:
    origin = typing.get_origin(kind)
    inner = typing.get_args(kind)
    if origin is typing.Literal:
        return "|".join(map(str, inner))
    if origin in (list, tuple):
        return f"[{', '.join('...' if part is ... else kind_of(part) for part in inner)}]"
    if origin is dict:
        return f"{{{kind_of(inner[0])}: {kind_of(inner[1])}}}"
    return "true|false" if kind is bool else getattr(kind, "__name__", str(kind))


def settings(owner: Any, at: str, given: Mapping[str, Any], facts: typing.Container[str] = ()) -> Iterator[str]:
    """A line or two for each setting of a section: path, type, default, what a config has `given`, and what it means.

    `facts` come from the data and are no settings.
    """
    from utils.config import signature_of

    for name, parameter in signature_of(owner).items():
        if name in facts:
            continue
        value = given.get(name) if isinstance(given, Mapping) else None
        said = _told(meaning(owner, name))
        group = _group(parameter.annotation)
        if group is None:
            yield f"  {at}.{name} ({_facts(parameter, value)}){said}"
            continue
        is_named = typing.get_origin(parameter.annotation) is dict
        place = f"{at}.{name}.<name>" if is_named else f"{at}.{name}"
        yield f"  {place}: a section{said}"
        yield from settings(group, place, value or {}, facts)


def _told(said: str) -> str:
    return f"\n      {said}" if said else ""


def _facts(parameter: Parameter, value: Any) -> str:
    default = parameter.default
    known = [kind_of(parameter.annotation)]
    if default is Parameter.empty:
        known.append("needed")
    elif not (default is None or repr(default).startswith("<factory")):
        known.append(f"default {default}")
    if value is not None:
        known.append(f"here {value}")
    return "; ".join(known)


def _group(annotation: Any) -> type | None:
    """The class of a section within a section."""
    parts = (annotation, *typing.get_args(annotation))
    return next((part for part in parts if dataclasses.is_dataclass(part) and isinstance(part, type)), None)


def of_training(model_type: str, config: Mapping[str, Any]) -> str:
    """All that may be set of a training of this model, with what `config` sets."""
    from models import MODELS
    from models.base.experiment import FACTS, Preprocess
    from processors.features import FEATURES
    from utils.registry import load_object

    spec = MODELS[model_type]
    model = load_object(spec.model)
    trainer = load_object(spec.trainer)
    read = config.get("preprocess", {}).get("features", {}) if config else dict.fromkeys(model.reads, {})
    known = {fact for name in FEATURES for fact in load_object(FEATURES[name]).gives} | {*FACTS, *model.frozen}
    lines = [f"settings of a config, and what --set may change (--set train.max_steps=100); model: {model_type}", "", "train:"]
    lines += settings(trainer.config_class, "train", config.get("train", {}))
    lines += ["", f"model: {inspect.getdoc(model).splitlines()[0]}"]
    lines += settings(model, "model", config.get("model", {}), known)
    lines += ["", "preprocess:"]
    lines += settings(Preprocess, "preprocess", config.get("preprocess", {}))
    for name in read:
        if name in FEATURES:
            feature = load_object(FEATURES[name])
            lines += ["", f"preprocess.features.{name}: {(inspect.getdoc(feature) or '').splitlines()[0]}"]
            lines += settings(feature, f"preprocess.features.{name}", read[name], ("sample_rate", "hop_size", "frame_padding", "mel"))
    return "\n".join(lines)
