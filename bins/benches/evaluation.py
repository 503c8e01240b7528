"""Every metric that needs no download, on pairs of five seconds: seconds for each, and what sharing and all cores gain."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bins.benches.measure import Row, one_core, row

PAIRS, SECONDS, RATE = 100, 5.0, 24000
FEW = 2  # pairs that each metric is timed on by itself
SLOW = "f0_periodicity_rmse"  # CREPE, ten times the work of all others together: timed on fewer pairs, and told apart
SLOW_PAIRS = 6


def evaluation(pairs: int = PAIRS) -> list[Row]:
    """Seconds of each metric alone, file by file, on one core; of all together; and CREPE beside its own package."""
    from evaluation.base import all_metrics, evaluate
    from evaluation.metric import Options

    metrics = sorted(all_metrics().items())
    names = [name for name, metric in metrics if not metric.absent(Options())]
    quick = [name for name in names if name != SLOW]
    with tempfile.TemporaryDirectory() as folder:
        sizes = (FEW, SLOW_PAIRS, pairs)
        few, some, many = (_written(Path(folder) / str(n), n) for n in sizes)
        evaluate(*few, names, jobs=1)  # imports, compilers and weights are paid for once, by neither side
        few_alone = {name: _work(lambda name=name: evaluate(*few, [name], jobs=1)) for name in names}
        few_together = _work(lambda: evaluate(*few, quick, jobs=1))
        together = _wall(lambda: evaluate(*many, quick))
        slow_alone = _wall(lambda: evaluate(*some, [SLOW]))
    alone = {name: seconds * pairs / FEW for name, seconds in few_alone.items()}
    one_pass = few_together * pairs / FEW
    slow = slow_alone * pairs / SLOW_PAIRS
    with_slow = together + slow
    work = sum(alone.values())
    others = sum(alone[name] for name in quick)
    about = f"alone, {pairs} pairs of 5 s, one core"
    rows = [row(f"evaluate: {name} {about}", seconds, "s") for name, seconds in alone.items()]
    rows += [
        row(f"evaluate: {len(quick)} metrics (all but {SLOW}) in one pass, one core", one_pass, "s"),
        row(f"evaluate: {len(quick)} in one pass, all cores", together, "s"),
        row("evaluate: work of each alone against one pass", others / one_pass, "times"),
        row("evaluate: each alone on one core against one pass on all", others / together, "times", target="4 or more"),
        row(f"evaluate: all {len(names)}, all cores, {SLOW} scaled from {SLOW_PAIRS} pairs", with_slow, "s"),
        row(f"evaluate: the same ratio with {SLOW}", work / with_slow, "times"),
    ]
    times = _crepe()
    more = times["value"] - 1
    theirs = work + alone.get(SLOW, 0) * more
    last = row(f"evaluate: the same ratio, {SLOW} alone by its package", theirs / with_slow, "times")
    return [*rows, times, last]


def _crepe() -> Row:
    import torch
    import torchcrepe

    from evaluation.periodicity import FMAX, FMIN, HOP_SIZE, periodicity

    torch.set_num_threads(1)
    sound = _voice(0, 1.0)
    given = torch.from_numpy(sound.samples)[None]
    theirs = one_core(
        lambda: torchcrepe.predict(given, RATE, HOP_SIZE, FMIN, FMAX, "full", return_periodicity=True, device="cpu"), 1
    )
    ours = one_core(lambda: periodicity(sound, device="cpu"), 1)
    return row("evaluate: periodicity, package against ours", theirs / ours, "times")


def _work(work: Callable[[], object]) -> float:
    """Seconds of one core, whatever else the machine is doing."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _wall(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _written(folder: Path, pairs: int) -> tuple[Path, Path]:
    """Voices with a moving pitch in syllables, and the same with noise."""
    import numpy as np

    from utils.audio import Audio

    reference, generated = folder / "reference", folder / "generated"
    for i in range(pairs):
        sound = _voice(i)
        sound.write(reference / f"{i:03d}.wav")
        noise = np.random.default_rng(1000 + i).standard_normal(len(sound.samples))
        Audio(sound.samples + 0.01 * noise, RATE).write(generated / f"{i:03d}.wav")
    return reference, generated


def _voice(i: int, seconds: float = SECONDS):
    import numpy as np

    from utils.audio import Audio

    t = np.arange(round(seconds * RATE)) / RATE
    lowest = 120 + 2 * i % 90
    vibrato = np.sin(2 * np.pi * 0.7 * t)
    pitch = lowest + 20 * vibrato
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 16))
    beat = np.sin(2 * np.pi * 1.5 * t)
    syllables = 0.1 + beat**2
    random = np.random.default_rng(i)
    noise = random.standard_normal(len(t))
    voice = harmonics * syllables
    return Audio(0.1 * voice + 0.001 * noise, RATE)
