"""Every metric that needs no download, on pairs of five seconds: seconds for each, and what sharing and all cores gain."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

PAIRS, SECONDS, RATE = 100, 5.0, 24000
ALONE = 2  # pairs that each metric is timed on by itself, after one to warm up


def evaluation(pairs: int = PAIRS) -> list[dict[str, Any]]:
    """Rows of what, value, unit, target. "Alone" is each metric by itself, file by file, on one core."""
    from evaluation.base import all_metrics, evaluate
    from evaluation.metric import Options

    with tempfile.TemporaryDirectory() as folder:
        reference, generated = Path(folder) / "reference", Path(folder) / "generated"
        _write(reference, generated, pairs)
        some = [Path(folder) / "few" / side.name for side in (reference, generated)]
        for side, few in zip((reference, generated), some, strict=True):
            few.mkdir(parents=True)
            for path in sorted(side.iterdir())[:ALONE]:
                (few / path.name).symlink_to(path)
        names = [name for name, row in sorted(all_metrics().items()) if not row.absent(Options())]
        evaluate(*some, names, jobs=1)  # imports, compilers and weights are paid for once, by neither side
        alone = {name: _seconds(lambda name=name: evaluate(*some, [name], jobs=1)) * pairs / ALONE for name in names}
        begun = time.perf_counter()
        evaluate(reference, generated, names)
        together = time.perf_counter() - begun
    rows = [_row(f"evaluate: {name} alone, {pairs} pairs of 5 s, one core", seconds, "s") for name, seconds in alone.items()]
    rows.append(_row(f"evaluate: all {len(names)} together, all cores", together, "s"))
    rows.append(_row("evaluate: each alone against all together", sum(alone.values()) / together, "times", "4 or more"))
    return rows


def _row(what: str, value: float, unit: str, target: str = "") -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "target": target}


def _seconds(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _write(reference: Path, generated: Path, pairs: int) -> None:
    """Voices with a moving pitch in syllables, and the same with noise."""
    import numpy as np

    from utils.audio import Audio

    t = np.arange(round(SECONDS * RATE)) / RATE
    for i in range(pairs):
        rng = np.random.default_rng(i)
        phase = 2 * np.pi * np.cumsum(120 + 2 * i % 90 + 20 * np.sin(2 * np.pi * 0.7 * t)) / RATE
        voice = sum(np.sin(k * phase) / k for k in range(1, 16)) * (0.1 + np.sin(2 * np.pi * 1.5 * t) ** 2)
        sound = 0.1 * voice + 0.001 * rng.standard_normal(len(t))
        Audio(sound, RATE).write(reference / f"{i:03d}.wav")
        Audio(sound + 0.01 * rng.standard_normal(len(t)), RATE).write(generated / f"{i:03d}.wav")
