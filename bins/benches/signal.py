"""Features: mel, pitch, and the extract stage."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bins.benches.measure import SECONDS, Row, corpus_config, one_core, row, voice


def benches() -> dict[str, Callable[[], list[Row]]]:
    return {"mel": mel, "f0": f0, "extraction": extraction}


def mel() -> list[Row]:
    """Our mel beside librosa's and torchaudio's of the same size."""
    import librosa
    import torch
    import torchaudio

    from preprocessors.base import Utterance
    from processors.mel import Mel
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
    """The extract stage on one process and on two."""
    from bins.extract import extract
    from models.base.experiment import Experiment
    from utils.config import Config

    with tempfile.TemporaryDirectory() as folder:
        seconds = {}
        for jobs in (1, 2):
            config = Config(corpus_config(Path(folder) / str(jobs), clips=240))
            config.problems, config.source = [], "bench"
            experiment = Experiment(config)
            extract(experiment, jobs=jobs)  # warms imports and the pool of processes; then anew
            for path in Path(folder, str(jobs), "data").glob("f0-*/custom/*.npy"):
                path.unlink()
            begun = time.perf_counter()
            extract(experiment, jobs=jobs)
            seconds[jobs] = time.perf_counter() - begun
    hours = 240 * 4 / 3600
    return [
        row("extraction (mel, F0, energy) on one core", hours * 3600 / seconds[1], "x real time"),
        row("extraction: two cores against one", seconds[1] / seconds[2], "times", target="1.8 or more"),
    ]
