"""Every vocoder recipe at its full size, random weights: parameters, speed on one core, on two and on a GPU, first sound.

A bench is a config under egs/vocoder: "hifigan" is its exp_config.json, "hifigan-v3" its v3.json.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bins.benches.measure import Row, best, one_core, row
from utils.files import ROOT

if TYPE_CHECKING:
    from models.vocoders.task import Vocoder

NOT_FULL = ("tiny", "small")
TARGETS = {"hifigan": 3, "hifigan-v3": 35, "melgan": 12, "vocos": 40, "bigvgan": 1}  # x real time on one core
FIRST_SECONDS = 0.2  # of sound, to find out how much can be made in a reasonable time
WORK_SECONDS = 3.0
MOST_SECONDS = 10.0


def benches() -> dict[str, Callable[[], list[Row]]]:
    """One for each config of full size, by the name of its folder."""
    named = {}
    for path in sorted((ROOT / "egs/vocoder").rglob("*.json")):
        if path.stem not in NOT_FULL and (path.parent / "run.sh").is_file():
            recipe = path.parent.name
            name = recipe if path.stem == "exp_config" else f"{recipe}-{path.stem}"
            named[name] = functools.partial(vocoder, name, path)
    return named


def vocoder(name: str, path: Path) -> list[Row]:
    """One vocoder, on a mel of noise."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    task = untrained(path, "cpu")
    rows = [row(f"{name}: parameters", sum(p.numel() for p in task.model.parameters()) / 1e6, "M")]
    seconds = _affordable(task)
    target = f"{TARGETS[name]} or more" if name in TARGETS else ""
    rows.append(row(f"{name}: one core", _speed(task, seconds, one_core), "x real time", target=target))
    torch.set_num_threads(2)
    rows.append(row(f"{name}: two cores", _speed(task, seconds), "x real time"))
    torch.set_num_threads(1)
    rows += _first_sound(name, task)
    if torch.cuda.is_available():
        task = untrained(path, "cuda")
        rows.append(row(f"{name}: GPU", _speed(task, MOST_SECONDS), "x real time"))
        rows.append(row(f"{name}: GPU, bf16", _speed(task, MOST_SECONDS, precision="bf16"), "x real time"))
        rows.append(row(f"{name}: GPU memory", torch.cuda.max_memory_allocated() / 2**20, "MB"))
    return rows


def untrained(path: Path, device: str) -> Vocoder:
    """The task of a recipe's config around a model with random weights."""
    from models.base.card import build_model
    from models.base.task import make_task
    from processors.features import FeatureSet
    from utils.config import load_config

    config = load_config(path)
    p = config["preprocess"]
    features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
    card = {"model_type": config["model_type"], "preprocess": p, "model": config.get("model", {})}
    card["facts"] = {**features.facts, "n_speakers": 1, "statistics": None}
    return make_task(build_model(card), features, card, device=device)


def _noise(task: Vocoder, seconds: float) -> dict[str, Any]:
    import numpy as np

    frames = max(1, round(seconds * task.rate / task.hop_size))
    random = np.random.default_rng(0)
    shape = (frames, task.mel_settings.n_mel)
    mel = random.standard_normal(shape).astype(np.float32)
    given = {"source": mel - 4}
    return given | ({"f0": np.full(frames, 200.0)} if task.reads_f0 else {})


def _affordable(task: Vocoder) -> float:
    """How much sound can be made in a reasonable time."""
    seconds = one_core(lambda: task(**_noise(task, FIRST_SECONDS)), 1)
    return min(MOST_SECONDS, max(FIRST_SECONDS, WORK_SECONDS * FIRST_SECONDS / seconds))


def _speed(task: Vocoder, seconds: float, measure: Callable[..., float] = best, **how: Any) -> float:
    """Seconds of sound per second of work; what a GPU made has arrived when the task returns."""
    given = _noise(task, seconds)
    duration = len(given["source"]) * task.hop_size / task.rate
    return duration / measure(lambda: task(**given, **how))


def _first_sound(name: str, task: Vocoder) -> list[Row]:
    """The latency of streaming, for those that can."""
    if task.reach is None:
        return []
    given = _noise(task, 1.0 + 2 * task.reach * task.hop_size / task.rate)
    piece = (given["source"], given["f0"]) if task.reads_f0 else given["source"]
    latencies = []
    for _ in range(4):
        stream = task.open_stream([piece])
        next(iter(stream))
        latencies.append(stream.latency)
    first = min(latencies, key=lambda latency: latency.compute_ms)
    return [
        row(f"{name}: lookahead of streaming", first.lookahead_ms, "ms"),
        row(f"{name}: computing the first {first.chunk_ms:.0f} ms", first.compute_ms, "ms"),
    ]
