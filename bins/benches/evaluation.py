"""Every metric that needs no download, on pairs of five seconds: seconds for each, and what sharing and all cores gain."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bins.benches.measure import Row, one_core, row

PAIRS, SECONDS, RATE = 100, 5.0, 24000
FEW = 2  # pairs that each metric is timed on by itself


def evaluation(pairs: int = PAIRS) -> list[Row]:
    """Seconds of each metric alone, file by file, on one core; of all together; and CREPE beside its own package."""
    from evaluation.base import all_metrics, evaluate
    from evaluation.metric import Options

    names = [name for name, metric in sorted(all_metrics().items()) if not metric.absent(Options())]
    with tempfile.TemporaryDirectory() as folder:
        sides = [Path(folder) / side for side in ("reference", "generated")]
        few = [Path(folder) / "few" / side for side in ("reference", "generated")]
        _write(*sides, pairs)
        _write(*few, FEW)
        evaluate(*few, names, jobs=1)  # imports, compilers and weights are paid for once, by neither side
        alone = {name: _work(lambda name=name: evaluate(*few, [name], jobs=1)) * pairs / FEW for name in names}
        shared = _work(lambda: evaluate(*few, names, jobs=1)) * pairs / FEW
        begun = time.perf_counter()
        evaluate(*sides, names)
        together = time.perf_counter() - begun
    rows = [row(f"evaluate: {name} alone, {pairs} pairs of 5 s, one core", seconds, "s") for name, seconds in alone.items()]
    rows.append(row(f"evaluate: all {len(names)} in one pass, one core", shared, "s"))
    rows.append(row(f"evaluate: all {len(names)} in one pass, all cores", together, "s"))
    rows.append(row("evaluate: work of each alone against one pass", sum(alone.values()) / shared, "times"))
    rows.append(
        row("evaluate: each alone on one core against all on all", sum(alone.values()) / together, "times", target="4 or more")
    )
    return [*rows, *_crepe()]


def _crepe() -> list[Row]:
    import torch
    import torchcrepe

    from evaluation.crepe import FMAX, FMIN, HOP_SIZE, periodicity

    torch.set_num_threads(1)
    sound = _voice(0, 1.0)
    given = torch.from_numpy(sound.samples)[None]
    theirs = one_core(
        lambda: torchcrepe.predict(given, RATE, HOP_SIZE, FMIN, FMAX, "full", return_periodicity=True, device="cpu"), 1
    )
    ours = one_core(lambda: periodicity(sound, device="cpu"), 1)
    return [row("evaluate: periodicity, package against ours", theirs / ours, "times")]


def _work(work: Callable[[], object]) -> float:
    """Seconds of one core, whatever else the machine is doing."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _write(reference: Path, generated: Path, pairs: int) -> None:
    """Voices with a moving pitch in syllables, and the same with noise."""
    import numpy as np

    from utils.audio import Audio

    for i in range(pairs):
        sound = _voice(i)
        sound.write(reference / f"{i:03d}.wav")
        noise = np.random.default_rng(1000 + i).standard_normal(len(sound.samples))
        Audio(sound.samples + 0.01 * noise, RATE).write(generated / f"{i:03d}.wav")


def _voice(i: int, seconds: float = SECONDS):
    import numpy as np

    from utils.audio import Audio

    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 2 * i % 90 + 20 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 16)) * (0.1 + np.sin(2 * np.pi * 1.5 * t) ** 2)
    return Audio(0.1 * voice + 0.001 * np.random.default_rng(i).standard_normal(len(t)), RATE)
