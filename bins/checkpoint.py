"""What a checkpoint holds, ours or foreign; how two differ; and a foreign one as a release of ours.

    python -m bins.checkpoint show path/to/g_02500000
    python -m bins.checkpoint diff ckpts/vocoder/a ckpts/vocoder/b
    python -m bins.checkpoint convert path/to/g_02500000 pretrained/hifigan_universal

A path is a release, run, checkpoint, foreign folder or file, or hub id. `diff` ends with 1 where the two differ.
Nothing but tensors, numbers and words is ever read from a pickle.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bins.cli import parser, run

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = 20  # lines of each kind, unless --all
KINDS = ("of other shapes", "of other types", "of other values")  # of a tensor that two checkpoints have


@dataclass
class Contents:
    """One checkpoint. `settings` are the leaves of its card, "model.upsample_rates[0]" -> value."""

    path: Path
    container: str
    program: str
    tensors: dict[str, Tensor]
    settings: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] | None = None
    trouble: list[str] = field(default_factory=list)  # why it would not load, a line each


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    does = arguments.add_subparsers(dest="command", required=True, metavar="show|diff|convert")
    show = does.add_parser("show")
    show.add_argument("path")
    diff = does.add_parser("diff")
    diff.add_argument("path")
    diff.add_argument("other")
    convert = does.add_parser("convert")
    convert.add_argument("path", help="the foreign checkpoint")
    convert.add_argument("out", help="the folder of the release: a new or empty one")
    convert.add_argument("--half", action="store_true", help="store weights as float16: half the size")
    for each in (show, diff, convert):
        each.add_argument("--model_type", help="where a foreign file does not say what it is")
        each.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of a run")
    for each in (show, diff):
        each.add_argument("--all", action="store_true", help=f"every line, not the first {SHOWN} of a kind")
    options = arguments.parse_args(argv)
    commands = {"show": _show, "diff": _diff, "convert": _convert}
    return commands[options.command](options)


def contents(path: str | Path, *, which: str = "newest", model_type: str | None = None) -> Contents:
    """What lies at `path`. Raises ValueError when it is nothing, damaged, or a pickle that is more than weights."""
    from models.base.checkpoint import is_release, read_release
    from models.base.loading import resolve

    place = resolve(path, which=which)
    if is_release(place):
        card, weights = read_release(place)
        packing = container(place / "model.safetensors")
        checkpoint = Contents(place, packing, "ours", weights, _leaves(card), card)
    else:
        checkpoint = _foreign(place, model_type)
    if checkpoint.card is not None and not checkpoint.trouble:
        checkpoint.trouble = _misfits(checkpoint)
    return checkpoint


def _foreign(place: Path, model_type: str | None) -> Contents:
    """What its program's reader makes of it; where none does, the file as it is."""
    from models.base.loading import read

    raw, refusal = _raw(place) if place.is_file() else ({}, None)
    try:
        card, state = read(place, model_type=model_type)
    except ValueError as error:
        if not raw:
            raise refusal or error from error
        return _bare(place, raw, str(error))
    settings = _leaves(card)
    settings |= {f"(in the file) {key}": value for key, value in raw.items() if not _is_tensor(value)}
    return Contents(place, container(place), _program(place), state, settings, card)


def _raw(place: Path) -> tuple[dict[str, Any], ValueError | None]:
    """The leaves of a weights file, or why they cannot be read by anyone."""
    from utils.files import read_weights

    try:
        return _leaves(read_weights(place)), None
    except ValueError as error:
        return {}, error


def _bare(place: Path, raw: dict[str, Any], reason: str) -> Contents:
    tensors = {key: value for key, value in raw.items() if _is_tensor(value)}
    settings = {key: value for key, value in raw.items() if not _is_tensor(value)}
    return Contents(place, container(place), "unknown", tensors, settings, trouble=[reason])


def _program(place: Path) -> str:
    """The program whose configuration lies beside the checkpoint, with that file's name."""
    from importlib import import_module

    from models.upstream import PROGRAMS, find

    for name in PROGRAMS:
        reader = import_module(f"models.upstream.{name}")
        config = find(place, reader.BESIDE)
        if config is not None and reader.knows(config):
            return f"{name} ({config.name})"
    return "unknown"


def _misfits(checkpoint: Contents) -> list[str]:
    from models.base.frozen import find_frozen
    from models.base.loading import build_for, misfits

    tensors = checkpoint.tensors
    try:
        frozen = find_frozen(checkpoint.card, checkpoint.path)
        model = build_for(checkpoint.card, tensors, str(checkpoint.path), frozen)
        return misfits(model, tensors)
    except ValueError as error:
        return str(error).splitlines()


def container(path: Path) -> str:
    """How the bytes are packed, seen from the first of them."""
    if path.is_dir():
        return "folder"
    with path.open("rb") as file:
        head = file.read(9)
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return "safetensors"
    if head[:2] == b"PK":
        return "torch zip"
    return "torch pickle of before 1.6" if head[:1] == b"\x80" else "unknown"


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "numel")


def _leaves(value: Any, at: str = "", depth: int = 100) -> dict[str, Any]:
    """The leaves of nested dicts and lists by their paths; lists of plain values stay whole. Raises ValueError for rings."""
    if not depth:
        raise ValueError(f"what lies at {at[:80]}... is nested without end: it is no checkpoint of weights.")
    if isinstance(value, dict) and value:
        prefix = f"{at}." if at else ""
        items = {f"{prefix}{key}": item for key, item in value.items()}
    elif isinstance(value, list | tuple) and any(map(_is_nested, value)):
        items = {f"{at}[{i}]": item for i, item in enumerate(value)}
    else:
        return {at: value}
    leaves = {}
    for path, item in items.items():
        leaves |= _leaves(item, path, depth - 1)
    return leaves


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list) or _is_tensor(value)


# show


def _show(options: Any) -> int:
    checkpoint = contents(options.path, which=options.which, model_type=options.model_type)
    limit = None if options.all else SHOWN
    _print_facts(checkpoint)
    _print_some([f"              {line}" for line in checkpoint.trouble], limit)
    print("\nsettings")
    _print_some([f"  {key:58} {_json(value)}" for key, value in checkpoint.settings.items()], limit)
    renamed = checkpoint.program not in ("ours", "unknown")
    print("\ntensors (under our names)" if renamed else "\ntensors")
    _print_some([_line(name, tensor) for name, tensor in checkpoint.tensors.items()], limit)
    return 0


def _print_facts(checkpoint: Contents) -> None:
    parameters = sum(tensor.numel() for tensor in checkpoint.tensors.values())
    model = checkpoint.card["model_type"] if checkpoint.card else "unknown"
    loads = checkpoint.card and not checkpoint.trouble
    print(checkpoint.path)
    print(f"  container   {checkpoint.container}")
    print(f"  program     {checkpoint.program}")
    print(f"  model       {model}")
    print(f"  tensors     {len(checkpoint.tensors)}, {parameters:,} numbers ({parameters / 1e6:.2f} M)")
    print(f"  loads       {'yes' if loads else 'no:'}")


def _line(name: str, tensor: Tensor) -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    values = tensor.double()
    norm = float(values.norm())
    finite = values.isfinite()
    broken = int((~finite).sum())
    note = f"   {broken} NaN or infinite" if broken else ""
    return f"  {name:58} {_shape(tensor):22} {dtype:9} norm {norm:.6g}{note}"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _json(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 90 else text[:87] + "..."


def _print_some(lines: list[str], limit: int | None) -> None:
    print("\n".join(lines[:limit]) if lines else "  none")
    if limit is not None and len(lines) > limit:
        print(f"  ... {len(lines) - limit} more: --all")


# diff


def _diff(options: Any) -> int:
    choices = {"which": options.which, "model_type": options.model_type}
    first = contents(options.path, **choices)
    second = contents(options.other, **choices)
    limit = None if options.all else SHOWN
    different = {title: lines for title, lines in differences(first, second).items() if lines}
    for title, lines in different.items():
        print(title)
        _print_some([f"  {line}" for line in lines], limit)
    if not different:
        print(f"the same: {len(first.tensors)} tensors and {len(first.settings)} settings.")
    return int(bool(different))


def differences(first: Contents, second: Contents) -> dict[str, list[str]]:
    """How two checkpoints differ, by kind, a line each; every list is empty where nothing does."""
    shared = [name for name in first.tensors if name in second.tensors]
    compared = [_compared(name, first.tensors[name], second.tensors[name]) for name in shared]
    of_tensors = {kind: [line for changes in compared for line in changes[kind]] for kind in KINDS}
    return {
        "settings": _changed_settings(first, second),
        f"only in {first.path}": _only_in(first, second),
        f"only in {second.path}": _only_in(second, first),
        **of_tensors,
    }


def _changed_settings(first: Contents, second: Contents) -> list[str]:
    lines = []
    for key in {**first.settings, **second.settings}:
        before = first.settings.get(key)
        after = second.settings.get(key)
        if json.dumps(before, default=str) != json.dumps(after, default=str):
            lines.append(f"{key}: {_json(before)} and {_json(after)}")
    return lines


def _only_in(checkpoint: Contents, other: Contents) -> list[str]:
    own = checkpoint.tensors.keys() - other.tensors.keys()
    return [_line(name, tensor).strip() for name, tensor in checkpoint.tensors.items() if name in own]


def _compared(name: str, first: Tensor, second: Tensor) -> dict[str, list[str]]:
    """How a tensor differs in two checkpoints, by KINDS."""
    lines: dict[str, list[str]] = {kind: [] for kind in KINDS}
    if first.shape != second.shape:
        shapes = f"{_shape(first)} and {_shape(second)}"
        lines["of other shapes"].append(f"{name}: {shapes}")
        return lines
    if first.dtype != second.dtype:
        lines["of other types"].append(f"{name}: {first.dtype} and {second.dtype}")
    change = _change(first.double(), second.double())
    if change:
        lines["of other values"].append(f"{name}: {change}")
    return lines


def _change(first: Tensor, second: Tensor) -> str:
    import torch

    if torch.equal(first, second):
        return ""
    change = first - second
    largest = float(change.abs().max())
    norm = max(float(second.norm()), 1e-30)
    return f"by {largest:.3g} at most, {float(change.norm()) / norm:.3g} of its norm"


# convert


def _convert(options: Any) -> int:
    out = convert(options.path, options.out, which=options.which, model_type=options.model_type, half=options.half)
    print(f"{out}: loads with load({str(out)!r}); see also bins.release, which adds a README and samples.")
    return 0


def convert(path: str | Path, out: str | Path, *, which: str = "newest", model_type: str | None = None, half: bool = False) -> Path:
    """`path` as a release of ours in `out`, complete and checked by loading it back.

    Raises ValueError when something is there already, and listing every tensor that is missing, unknown or misshapen.
    """
    from models.base.card import versions
    from models.base.checkpoint import save_release
    from models.base.task import load

    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already: name a new folder.")
    source = contents(path, which=which, model_type=model_type)
    if source.card is None or source.trouble:
        reasons = source.trouble or ["its program is not known"]
        raise ValueError("\n  ".join([f"{path} cannot be converted:", *reasons]))
    weights = source.tensors
    if half:
        weights = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    card = {
        **source.card,
        "versions": versions(),
        "converted_from": f"{source.program}: {source.path.name}",
        "parameters": sum(tensor.numel() for tensor in weights.values()),
    }
    save_release(out, card, weights)
    load(out, device="cpu")
    return out


if __name__ == "__main__":
    run(main)
