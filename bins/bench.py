"""Speed and memory of what is here, beside what one would use instead, measured in one run on this machine.

    python -m bins.bench                      everything (many minutes)
    python -m bins.bench vocoders trainer     a group, a bench: --list names them all

Each figure is taken in a process of its own, so that peak memory is its own; "x real time" is seconds of
sound per second of work on one core. Ratios between rows of one run travel between machines, seconds do not.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bins.benches
from bins.benches.measure import Row, row
from bins.cli import parser, run
from utils.files import ROOT

Benches = dict[str, Callable[[], list[Row]]]


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("names", nargs="*", metavar="NAME", help="groups or benches (default: all)")
    arguments.add_argument("--list", action="store_true", help="only name the groups and what is in them")
    arguments.add_argument("--out", help="also write the rows to this JSON file")
    arguments.add_argument("--child", help="(internal) measure one and print JSON")
    options = arguments.parse_args(argv)
    if options.list:
        for group in groups():
            print(f"{group:16} {' '.join(benches(group))}")
        return 0
    if options.child:
        print(json.dumps(chosen([options.child])[options.child]()))
        return 0
    rows = [r for name in chosen(options.names) for r in _in_child(name)]
    if options.out:
        from utils.files import write_json

        write_json(Path(options.out), rows)
    return 0


def groups() -> list[str]:
    """The modules of bins.benches that measure something; none is imported for it, as some take a second."""
    return [m.name for m in pkgutil.iter_modules(bins.benches.__path__) if m.name != "measure"]


def benches(group: str) -> Benches:
    """What a module's `benches()` names, or its one function of the module's own name."""
    module = importlib.import_module(f"bins.benches.{group}")
    if hasattr(module, "benches"):
        return module.benches()
    return {group: getattr(module, group)} if hasattr(module, group) else getattr(module, "BENCHES", {})


def chosen(names: list[str]) -> Benches:
    """The benches of these groups and of these names, in order; all where none is named. Raises ValueError with the choices."""
    from utils.registry import pick

    wanted: Benches = {}
    for name in names or groups():
        if name in groups():
            wanted |= benches(name)
        else:
            every = {known: bench for group in groups() for known, bench in benches(group).items()}
            wanted[name] = pick(every, name, f"bench (groups: {', '.join(groups())}); bench")
    return wanted


def _in_child(name: str) -> list[Row]:
    """Runs one bench alone and prints its rows, with the most memory that it held."""
    # Bound to one core where the bench does not ask for more: thread pools of every library obey.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-m", "bins.bench", "--child", name], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise ValueError(f"the bench {name} failed; run it alone to see why: python -m bins.bench --child {name}")
    rows = json.loads(output.strip().splitlines()[-1])
    rows.append(row(f"{name}: peak memory", usage.ru_maxrss / 1024, "MB"))
    for r in rows:
        print(f"{r['what']:58} {r['value']:12.4g} {r['unit']:14} {'target ' + r['target'] if r['target'] else ''}", flush=True)
    return rows


if __name__ == "__main__":
    run(main)
