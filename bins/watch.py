"""Trainings seen while they run: one page in the browser, which refreshes itself, of one run or several over one another.

python -m bins.watch ckpts
"""

from __future__ import annotations

from bins.cli import run


def main(argv: list[str] | None = None) -> int:
    from visualization import watch

    return watch.main(argv)


if __name__ == "__main__":
    run(main)
