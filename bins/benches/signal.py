"""Features: mel, pitch, and the extract stage."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bins.benches.measure import SECONDS, Row, corpus_experiment, one_core, row, voice

CLIPS, ROUNDS = 240, 4  # of four seconds each


def benches() -> dict[str, Callable[[], list[Row]]]:
    return {"mel": mel, "f0": f0, "extraction": extraction}


def mel() -> list[Row]:
    """Our mel beside librosa's and torchaudio's of the same size."""
    import librosa
    import torch
    import torchaudio

    from preprocessors.base import Utterance
    from processors.spectra import Mel
    from utils.audio import Audio

    torch.set_num_threads(1)
    audio, ours = Audio(voice(), 22050), Mel(sample_rate=22050, hop_size=256)
    theirs = torchaudio.transforms.MelSpectrogram(22050, 1024, hop_length=256, n_mels=80)
    samples = torch.from_numpy(audio.samples)
    seconds = {
        "mel (ours)": one_core(lambda: ours(Utterance(id="-"), audio), 9),
        "mel (torchaudio)": one_core(lambda: theirs(samples), 9),
        "mel (librosa)": one_core(
            lambda: librosa.feature.melspectrogram(y=audio.samples, sr=22050, n_fft=1024, hop_length=256, n_mels=80), 5
        ),
    }
    rows = [
        row(name, SECONDS / s, "x real time", target="1,000 or more" if "ours" in name else "") for name, s in seconds.items()
    ]
    return [*rows, row("mel: ours against librosa", seconds["mel (librosa)"] / seconds["mel (ours)"], "times")]


def f0() -> list[Row]:
    """The pitch trackers beside one another."""
    from preprocessors.base import Utterance
    from processors.f0 import F0
    from utils.audio import Audio

    audio, rows = Audio(voice(), 22050), []
    for method in ("parselmouth", "dio", "harvest", "pyin"):
        tracker = F0(sample_rate=22050, hop_size=256, method=method)
        seconds = one_core(lambda t=tracker: t(Utterance(id="-"), audio), 3 if method in ("parselmouth", "dio") else 1)
        rows.append(
            row(f"F0 by {method}", SECONDS / seconds, "x real time", target="300 or more" if method == "parselmouth" else "")
        )
    return rows


def extraction() -> list[Row]:
    """The extract stage on one process and on two, beside what two processes that share nothing reach on this machine."""
    from bins.extract import extract

    with tempfile.TemporaryDirectory() as folder:
        experiments = {jobs: corpus_experiment(Path(folder) / str(jobs), clips=CLIPS) for jobs in (1, 2)}
        for jobs, experiment in experiments.items():
            extract(experiment, jobs=jobs)  # imports; the rounds then compute the pitch anew
        rounds = [{jobs: _seconds_of(experiment, jobs) for jobs, experiment in experiments.items()} for _ in range(ROUNDS)]
        alone = [_two_alone(experiments[1]) for _ in range(ROUNDS)]
    seconds = {jobs: min(figures[jobs] for figures in rounds) for jobs in (1, 2)}
    return [
        row("extraction (F0) on one core", CLIPS * 4 / seconds[1], "x real time"),
        row("extraction: two cores against one", seconds[1] / seconds[2], "times", target="1.8 or more"),
        row("extraction: two processes that share nothing, against one", max(alone), "times"),
    ]


def _seconds_of(experiment: Any, jobs: int) -> float:
    from bins.extract import extract

    for path in experiment.processed_dir.glob("f0-*/custom/*.npy"):
        path.unlink()
    begun = time.perf_counter()
    extract(experiment, jobs=jobs)
    return time.perf_counter() - begun


def _two_alone(experiment: Any) -> float:
    """How much more two processes do than one, each with the same pitch tracking to do and nothing to write."""
    utterances, f0 = experiment.utterances("train")[:60], experiment.features.features["f0"]
    sounds = [utterance.read(experiment.features.common["sample_rate"]) for utterance in utterances]

    def work() -> None:
        for utterance, sound in zip(utterances, sounds, strict=True):
            f0(utterance, sound)

    begun = time.perf_counter()
    work()
    one = time.perf_counter() - begun
    processes = [multiprocessing.Process(target=work) for _ in range(2)]
    begun = time.perf_counter()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return 2 * one / (time.perf_counter() - begun)
