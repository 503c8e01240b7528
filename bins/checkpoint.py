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
    made = parser(__doc__, config=False)
    does = made.add_subparsers(dest="command", required=True, metavar="show|diff|convert")
    show, diff, convert = (does.add_parser(name) for name in ("show", "diff", "convert"))
    show.add_argument("path")
    diff.add_argument("path")
    diff.add_argument("other")
    convert.add_argument("path", help="the foreign checkpoint")
    convert.add_argument("out", help="the folder of the release: a new or empty one")
    convert.add_argument("--half", action="store_true", help="store weights as float16: half the size")
    for each in (show, diff, convert):
        each.add_argument("--model_type", help="where a foreign file does not say what it is")
        each.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of a run")
    for each in (show, diff):
        each.add_argument("--all", action="store_true", help=f"every line, not the first {SHOWN} of a kind")
    options = made.parse_args(argv)
    return {"show": _show, "diff": _diff, "convert": _convert}[options.command](options)


def contents(path: str | Path, *, which: str = "newest", model_type: str | None = None) -> Contents:
    """What lies at `path`. Raises ValueError when it is nothing, damaged, or a pickle that is more than weights."""
    from models.base.checkpoint import is_release, read_release
    from models.base.task import resolve

    place = resolve(path, which=which)
    if is_release(place):
        card, weights = read_release(place)
        found = Contents(place, container(place / "model.safetensors"), "ours", weights, _leaves(card), card)
    else:
        found = _foreign(place, model_type)
    if found.card is not None and not found.trouble:
        found.trouble = _misfits(found)
    return found


def _foreign(place: Path, model_type: str | None) -> Contents:
    """What its program's reader makes of it; where none does, the file as it is."""
    from models.base.task import read

    raw, refusal = _raw(place) if place.is_file() else ({}, None)
    try:
        card, state = read(place, model_type=model_type)
    except ValueError as error:
        if not raw:
            raise refusal or error from error
        return _bare(place, raw, str(error))
    settings = _leaves(card) | {f"(in the file) {k}": v for k, v in raw.items() if not _is_tensor(v)}
    return Contents(place, container(place), _program(place), state, settings, card)


def _raw(place: Path) -> tuple[dict[str, Any], ValueError | None]:
    """The leaves of a weights file, or why they cannot be read by anyone."""
    from utils.files import read_weights

    try:
        return _leaves(read_weights(place)), None
    except ValueError as error:
        return {}, error


def _bare(place: Path, raw: dict[str, Any], reason: str) -> Contents:
    tensors = {k: v for k, v in raw.items() if _is_tensor(v)}
    settings = {k: v for k, v in raw.items() if not _is_tensor(v)}
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


def _misfits(found: Contents) -> list[str]:
    from models.base.task import build_for, misfits

    try:
        return misfits(build_for(found.card, found.tensors, str(found.path)), found.tensors)
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
    return "torch zip" if head[:2] == b"PK" else "torch pickle of before 1.6" if head[:1] == b"\x80" else "unknown"


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "numel")


def _leaves(value: Any, at: str = "", depth: int = 100) -> dict[str, Any]:
    """The leaves of nested dicts and lists by their paths; lists of plain values stay whole. Raises ValueError for rings."""
    if not depth:
        raise ValueError(f"what lies at {at[:80]}... is nested without end: it is no checkpoint of weights.")
    if isinstance(value, dict) and value:
        pairs = [(f"{at}.{key}" if at else str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple) and any(isinstance(v, dict | list) or _is_tensor(v) for v in value):
        pairs = [(f"{at}[{i}]", item) for i, item in enumerate(value)]
    else:
        return {at: value}
    return {k: v for key, item in pairs for k, v in _leaves(item, key, depth - 1).items()}


# show


def _show(options: Any) -> int:
    found = contents(options.path, which=options.which, model_type=options.model_type)
    limit = None if options.all else SHOWN
    parameters = sum(t.numel() for t in found.tensors.values())
    model = found.card["model_type"] if found.card else "unknown"
    print(f"{found.path}\n  container   {found.container}\n  program     {found.program}\n  model       {model}")
    print(f"  tensors     {len(found.tensors)}, {parameters:,} numbers ({parameters / 1e6:.2f} M)")
    print(f"  loads       {'yes' if found.card and not found.trouble else 'no:'}")
    _print_some([f"              {line}" for line in found.trouble], limit)
    print("\nsettings")
    _print_some([f"  {key:58} {_word(value)}" for key, value in found.settings.items()], limit)
    print("\ntensors" + (" (under our names)" if found.program not in ("ours", "unknown") else ""))
    _print_some([_line(name, t) for name, t in found.tensors.items()], limit)
    return 0


def _line(name: str, tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    values = tensor.double()
    broken = int((~values.isfinite()).sum())
    note = f"   {broken} NaN or infinite" if broken else ""
    return f"  {name:58} {_shape(tensor):22} {kind:9} norm {float(values.norm()):.6g}{note}"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _word(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 90 else text[:87] + "..."


def _print_some(lines: list[str], limit: int | None) -> None:
    print("\n".join(lines[:limit]) if lines else "  none")
    if limit is not None and len(lines) > limit:
        print(f"  ... {len(lines) - limit} more: --all")


# diff


def _diff(options: Any) -> int:
    a, b = (contents(p, which=options.which, model_type=options.model_type) for p in (options.path, options.other))
    found = differences(a, b)
    limit = None if options.all else SHOWN
    for title, lines in found.items():
        if lines:
            print(title)
            _print_some([f"  {line}" for line in lines], limit)
    if not any(found.values()):
        print(f"the same: {len(a.tensors)} tensors and {len(a.settings)} settings.")
    return int(any(found.values()))


def differences(a: Contents, b: Contents) -> dict[str, list[str]]:
    """How `a` differs from `b`, by kind, a line each; every list is empty where nothing does."""
    shared = [name for name in a.tensors if name in b.tensors]
    pairs = [(name, a.tensors[name], b.tensors[name]) for name in shared]
    alike = [(name, x, y) for name, x, y in pairs if x.shape == y.shape]
    keys = [key for key in {**a.settings, **b.settings} if _plain(a.settings.get(key)) != _plain(b.settings.get(key))]
    return {
        "settings": [f"{key}: {_word(a.settings.get(key))} and {_word(b.settings.get(key))}" for key in keys],
        f"only in {a.path}": [_line(name, a.tensors[name]).strip() for name in a.tensors if name not in b.tensors],
        f"only in {b.path}": [_line(name, b.tensors[name]).strip() for name in b.tensors if name not in a.tensors],
        "of other shapes": [f"{name}: {_shape(x)} and {_shape(y)}" for name, x, y in pairs if x.shape != y.shape],
        "of other types": [f"{name}: {x.dtype} and {y.dtype}" for name, x, y in alike if x.dtype != y.dtype],
        "of other values": [line for name, x, y in alike if (line := _moved(name, x, y))],
    }


def _plain(value: Any) -> str:
    return json.dumps(value, default=str)


def _moved(name: str, x: Tensor, y: Tensor) -> str:
    import torch

    x, y = x.double(), y.double()
    if torch.equal(x, y):
        return ""
    largest, size = float((x - y).abs().max()), float(y.norm())
    return f"{name}: by {largest:.3g} at most, {float((x - y).norm()) / max(size, 1e-30):.3g} of its norm"


# convert


def _convert(options: Any) -> int:
    out = convert(options.path, options.out, which=options.which, model_type=options.model_type, half=options.half)
    print(f"{out}: loads with load({str(out)!r}); see also bins.release, which adds a README and samples.")
    return 0


def convert(path: str | Path, out: str | Path, *, which: str = "newest", model_type: str | None = None, half: bool = False) -> Path:
    """`path` as a release of ours in `out`, complete and checked by loading it back.

    Raises ValueError when something is there already, and listing every tensor that is missing, unknown or misshapen.
    """
    from models.base.checkpoint import save_release
    from models.base.experiment import versions
    from models.base.task import load

    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already: name a new folder.")
    found = contents(path, which=which, model_type=model_type)
    if found.card is None or found.trouble:
        raise ValueError("\n  ".join([f"{path} cannot be converted:", *(found.trouble or ["its program is not known"])]))
    weights = {k: v.half() if half and v.is_floating_point() else v for k, v in found.tensors.items()}
    made_by = {"versions": versions(), "converted_from": f"{found.program}: {found.path.name}"}
    card = {**found.card, **made_by, "parameters": sum(t.numel() for t in weights.values())}
    save_release(out, card, weights)
    load(out, device="cpu")
    return out


if __name__ == "__main__":
    run(main)
