"""What benches share: a row of the table, a clock, a sound, a small corpus with a config on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SECONDS = 10  # of sound in the signal benches


def row(what: str, value: float, unit: str, *, target: str = "") -> Row:
    return {"what": what, "value": value, "unit": unit, "target": target}


def best(work: Callable[[], Any], times: int = 3, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that `work` takes, the best of some runs after one to warm up.

    With `clock` time.process_time it is the work of all cores together, whatever else the machine is doing meanwhile.
    """
    work()
    seconds = []
    for _ in range(times):
        begun = clock()
        work()
        seconds.append(clock() - begun)
    return min(seconds)


def one_core(work: Callable[[], Any], times: int = 3) -> float:
    """Seconds that `work` would take on one core of its own."""
    return best(work, times, time.process_time)


def voice(seconds: float = SECONDS, rate: int = 22050):
    """A buzz with a moving pitch: voiced, so that pitch trackers work for their result."""
    import numpy as np

    count = round(seconds * rate)
    t = np.arange(count) / rate
    vibrato = np.sin(2 * np.pi * 0.7 * t)
    pitch = 150 + 40 * vibrato
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 12))
    random = np.random.default_rng(0)
    noise = random.standard_normal(count)
    buzz = harmonics * 0.1 + 0.003 * noise
    return buzz.astype(np.float32)


def corpus_experiment(folder: Path, *, clips: int, seconds: float = 4.0) -> Any:
    """The experiment of `corpus_config`."""
    from models.base.experiment import Experiment
    from utils.config import Config

    config = Config(corpus_config(folder, clips=clips, seconds=seconds))
    config.problems, config.source = [], "bench"
    return Experiment(config)


def corpus_config(folder: Path, *, clips: int, seconds: float = 4.0) -> dict[str, Any]:
    """A corpus of buzzes with manifests, and a config on it."""
    from preprocessors.base import Utterance, write_manifest
    from utils.audio import Audio

    paths = [Audio(voice(seconds), 22050).write(folder / f"{i}.wav") for i in range(clips)]
    utterances = [Utterance(p.stem, "custom", audio=str(p), seconds=seconds, text="a") for p in paths]
    for split, part in (("train", utterances[:-8]), ("valid", utterances[-8:-4]), ("test", utterances[-4:])):
        write_manifest(folder / f"data/custom/{split}.jsonl", part)
    features = {"mel": {}, "f0": {"interpolate": True}, "energy": {}, "audio": {}}
    return {
        "model_type": "HiFiGAN",
        "dataset": ["custom"],
        "dataset_path": {"custom": str(folder)},
        "log_dir": str(folder / "ckpts"),
        "preprocess": {"sample_rate": 22050, "hop_size": 256, "processed_dir": str(folder / "data"), "features": features},
        "model": {"upsample_initial_channel": 32},
        "discriminator": {"mpd": {"channel_multiplier": 1 / 32, "periods": [2]}},
        "train": {"batch_size": 8, "segment_frames": 32, "workers": 1, "max_steps": 60, "log_every": 40, "samples": 0},
    }
