"""Speed and memory of what is here, beside what one would use instead, measured in one run on this machine.

    python -m bins.bench                      everything (some minutes)
    python -m bins.bench hifigan mel trainer  only these

Each figure is taken in a process of its own, so that peak memory is its own; "x real time" is seconds of
sound per second of work on one core. Ratios between rows of one run travel between machines, seconds do not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bins.cli import parser, run
from utils.files import ROOT

BENCHES: dict[str, Callable[[], list[dict[str, Any]]]] = {}
SECONDS = 10  # of sound in the signal benches


def bench(function: Callable[[], list[dict[str, Any]]]) -> Callable[[], list[dict[str, Any]]]:
    BENCHES[function.__name__] = function
    return function


def row(what: str, value: float, unit: str, *, target: str = "") -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "target": target}


def main(argv: list[str] | None = None) -> int:
    made = parser(__doc__, config=False)
    made.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure (default: all of {', '.join(BENCHES)})")
    made.add_argument("--out", help="also write the rows to this JSON file")
    made.add_argument("--child", help="(internal) measure one and print JSON")
    options = made.parse_args(argv)
    if options.child:
        print(json.dumps(BENCHES[options.child]()))
        return 0
    from utils.files import write_json
    from utils.registry import pick

    rows = []
    for name in options.names or BENCHES:
        pick(BENCHES, name, "bench")
        rows += _in_child(name)
    if options.out:
        write_json(Path(options.out), rows)
    return 0


def _in_child(name: str) -> list[dict[str, Any]]:
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


def best(work: Callable[[], Any], times: int = 3) -> float:
    """Seconds that `work` takes, the best of some runs after one to warm up."""
    work()
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)


def _voice(seconds: float = SECONDS, rate: int = 22050):
    """A buzz with a moving pitch: voiced, so that pitch trackers work for their result."""
    import numpy as np

    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(150 + 40 * np.sin(2 * np.pi * 0.7 * t)) / rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.1 + 0.003 * noise).astype(np.float32)


@bench
def hifigan() -> list[dict[str, Any]]:
    """HiFi-GAN V1, V2, V3 with weight norm folded away, beside the same as trained."""
    import torch

    from models.vocoders.hifigan import HiFiGAN
    from utils.config import build, load_config

    torch.set_num_threads(1)
    rows = []
    for name, config, target in (("V1", "exp_config", "3"), ("V2", "v2", ""), ("V3", "v3", "35")):
        section = load_config(ROOT / f"egs/vocoder/gan/hifigan/{config}.json")["model"]
        model = build(HiFiGAN, section, {"n_mel": 80, "sample_rate": 22050, "hop_size": 256}).eval()
        seconds = 4 if name == "V1" else SECONDS
        mel = torch.randn(1, seconds * 22050 // 256, 80)
        trained = best(lambda m=model, x=mel: m.infer(x), 2)
        model.fold()
        folded = best(lambda m=model, x=mel: m.infer(x))
        rows.append(row(f"HiFi-GAN {name}", seconds / folded, "x real time", target=f"{target} or more" if target else ""))
        rows.append(row(f"HiFi-GAN {name}: folded against unfolded", trained / folded, "times"))
    return rows


@bench
def mel() -> list[dict[str, Any]]:
    """Our mel beside librosa's and torchaudio's of the same size."""
    import librosa
    import torch
    import torchaudio

    from preprocessors.base import Utterance
    from processors.mel import Mel
    from utils.audio import Audio

    torch.set_num_threads(1)
    audio, ours = Audio(_voice(), 22050), Mel(sample_rate=22050, hop_size=256)
    theirs = torchaudio.transforms.MelSpectrogram(22050, 1024, hop_length=256, n_mels=80)
    samples = torch.from_numpy(audio.samples)
    seconds = {
        "mel (ours)": best(lambda: ours(Utterance(id="-"), audio), 9),
        "mel (torchaudio)": best(lambda: theirs(samples), 9),
        "mel (librosa)": best(
            lambda: librosa.feature.melspectrogram(y=audio.samples, sr=22050, n_fft=1024, hop_length=256, n_mels=80), 5
        ),
    }
    rows = [
        row(name, SECONDS / s, "x real time", target="1,000 or more" if "ours" in name else "") for name, s in seconds.items()
    ]
    return [*rows, row("mel: ours against librosa", seconds["mel (librosa)"] / seconds["mel (ours)"], "times")]


@bench
def f0() -> list[dict[str, Any]]:
    """The pitch trackers beside one another."""
    from preprocessors.base import Utterance
    from processors.f0 import F0
    from utils.audio import Audio

    audio, rows = Audio(_voice(), 22050), []
    for method in ("parselmouth", "dio", "harvest", "pyin"):
        tracker = F0(sample_rate=22050, hop_size=256, method=method)
        seconds = best(lambda t=tracker: t(Utterance(id="-"), audio), 3 if method in ("parselmouth", "dio") else 1)
        rows.append(
            row(f"F0 by {method}", SECONDS / seconds, "x real time", target="300 or more" if method == "parselmouth" else "")
        )
    return rows


@bench
def extraction() -> list[dict[str, Any]]:
    """The extract stage on one process and on two."""
    from bins.extract import extract
    from models.base.experiment import Experiment
    from utils.config import Config

    with tempfile.TemporaryDirectory() as folder:
        seconds = {}
        for jobs in (1, 2):
            config = Config(_corpus_config(Path(folder) / str(jobs), clips=240))
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


def _corpus_config(folder: Path, *, clips: int, seconds: float = 4.0) -> dict[str, Any]:
    """A corpus of buzzes with manifests, and a config on it."""
    from preprocessors.base import Utterance, write_manifest
    from utils.audio import Audio

    paths = [Audio(_voice(seconds), 22050).write(folder / f"{i}.wav") for i in range(clips)]
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


@bench
def trainer() -> list[dict[str, Any]]:
    """What the trainer costs per update beyond the same forward, backward and step in a bare loop; and how long it waits for data."""
    import torch

    from bins.extract import extract
    from models.base.experiment import Experiment
    from models.base.trainer import Trainer
    from utils.config import Config

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        config = Config(_corpus_config(Path(folder), clips=60))
        config.problems, config.source = [], "bench"
        experiment = Experiment(config)
        extract(experiment, jobs=1)
        from models.base.gan import GANTrainer

        training = GANTrainer(experiment, "wait")
        training.fit()
        wait = training.watch.speed["data_wait"]
        overhead = _overhead(Trainer, experiment)
    return [
        row("trainer: overhead per update over a bare loop", overhead * 1000, "ms", target="0.3 or less"),
        row("trainer: time spent waiting for data", wait * 100, "%", target="under 5"),
    ]


def _overhead(trainer_class: type, experiment: Any, updates: int = 2000) -> float:
    """Seconds per update of our loop minus those of a bare one, on a network so small that only the loop counts."""
    import itertools

    import torch

    class Tiny(torch.nn.Linear):
        def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
            return {"l1": super().forward(batch["x"]).abs().mean()}

    batch = {"x": torch.randn(4, 8), "id": ["a"]}

    class Fed(trainer_class):
        def _updates(self):
            return itertools.repeat([batch])

    experiment.model = lambda: Tiny(8, 8)
    experiment.sections.train.clear()
    experiment.sections.train.update(
        max_steps=updates, batch_size=4, valid_every=updates * 2, save_every=updates * 2, log_every=50
    )

    def ours() -> float:
        training = Fed(experiment, "overhead")
        training.validate = lambda: {"l1": 0.0}
        training.sample = training.save = lambda: None
        training._open_watch()
        begun = time.perf_counter()
        training._loop()
        return (time.perf_counter() - begun) / updates

    def bare() -> float:
        model = Tiny(8, 8)
        optimizer = torch.optim.AdamW(model.parameters())
        begun = time.perf_counter()
        for _ in range(updates):
            loss = model(batch)["l1"]
            loss.item()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return (time.perf_counter() - begun) / updates

    return min(ours() for _ in range(3)) - min(bare() for _ in range(3))


@bench
def batches() -> list[dict[str, Any]]:
    """Padding on a spread of lengths like LibriTTS's, beside random batches of a fixed size and of the same memory."""
    import numpy as np

    from models.base.batching import Batches

    random = np.random.default_rng(0)
    lengths = random.lognormal(1.4, 0.75, 100_000).clip(0.4, 30)
    ours = Batches(lengths, batch_seconds=240)
    begun = time.perf_counter()
    updates = len(ours.plan(0))
    planning = time.perf_counter() - begun
    groups = random.permutation(lengths)[: len(lengths) // 16 * 16].reshape(-1, 16)
    fixed = 1 - groups.sum() / (groups.max(axis=1).sum() * 16)
    return [
        row("batches: padding", ours.waste() * 100, "%", target="6 or less"),
        row("batches: padding of random batches of 16", fixed * 100, "%"),
        row("batches: updates against batches for the longest", len(lengths) / (240 // 30) / updates, "times fewer"),
        row("batches: planning an epoch of 100,000 utterances", planning, "s"),
    ]


@bench
def imports() -> list[dict[str, Any]]:
    """How long each program takes to say what it does."""
    rows = []
    for name in ("preprocess", "extract", "train", "infer", "evaluate", "recipe", "release", "bench"):
        words = [sys.executable, "-m", f"bins.{name}", "--help"]
        seconds = best(lambda w=words: subprocess.run(w, cwd=ROOT, check=True, stdout=subprocess.DEVNULL), 2)
        rows.append(row(f"bins.{name} --help", seconds, "s", target="1.5 or less"))
    return rows


if __name__ == "__main__":
    run(main)
