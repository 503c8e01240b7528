"""Singing voice conversion at the recipes' full sizes, random weights: each part of a conversion on two cores, samplers beside one another."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bins.benches.measure import Row, best, row, voice
from utils.files import ROOT

if TYPE_CHECKING:
    from models.svc.task import SVC

SECONDS = 5.0
RATE = 24000
SAMPLERS = {"pndm": 50, "ddim": 20, "unipc": 10, "dpmsolver++": 10}  # steps of each


def benches() -> dict[str, Callable[[], list[Row]]]:
    """One for each recipe of conversion: `svc-diffwavenetsvc`, ..."""
    found = sorted(path.parent for path in (ROOT / "egs/svc").glob("*/exp_config.json"))
    single = [folder for folder in found if folder.name != "MultipleContentsSVC"]
    return {f"svc-{folder.name.lower()}": functools.partial(conversion, folder) for folder in single}


def conversion(recipe: Path) -> list[Row]:
    """The parts of a conversion, in x real time, and the model by each of its samplers."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(2)
    name = f"svc-{recipe.name.lower()}"
    with tempfile.TemporaryDirectory() as folder:
        task = untrained(recipe / "exp_config.json", whisper_folder(Path(folder)))
        seconds = dict(_parts(task))
        ways = dict(_samplers(task))
    total = sum(seconds.values())
    parameters = sum(p.numel() for p in task.model.parameters())
    rows = [row(f"{name}: parameters", parameters / 1e6, "M")]
    for part, spent in {**seconds, "all of it": total}.items():
        rows.append(row(f"{name}: {part}", SECONDS / spent, "x real time"))
    return rows + [row(f"{name}: {what}", SECONDS / spent, "x real time") for what, spent in ways.items()]


def untrained(path: Path, whisper: Path) -> SVC:
    """The task of a recipe's config around a model with random weights."""
    from models.base.card import build_model
    from models.base.task import make_task
    from processors.features import FeatureSet
    from utils.config import load_config

    config = load_config(path, [f"preprocess.features.whisper.model={whisper}"])
    p = config["preprocess"]
    features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
    card = {"model_type": config["model_type"], "preprocess": p, "model": config["model"], "learned": {}}
    card["facts"] = {**features.facts, "n_speakers": 10, "statistics": None}
    return make_task(build_model(card), features, card, device="cpu")


def whisper_folder(folder: Path) -> Path:
    """A Whisper of the size of "tiny" with random weights, in transformers' layout."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    heads = {"encoder_attention_heads": 6, "decoder_attention_heads": 6}
    config = WhisperConfig(d_model=384, encoder_layers=4, decoder_layers=1, encoder_ffn_dim=1536, **heads)
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def _parts(task: SVC) -> Iterator[tuple[str, float]]:
    """(what, seconds that it takes)."""
    from utils.audio import Audio

    sound = Audio(voice(SECONDS, RATE), RATE)
    for name in task.reads:
        yield name, best(lambda n=name: task.features.of_sound(sound, [n]))
    arrays = task.analysed(sound)
    goal = task._target(None, None)
    run = task._checked(0.0, 1.0, None, {})
    _, sung = task._sung(arrays, goal, run)
    yield "the model", best(lambda: task._infer(arrays, goal, run))
    if "audio" not in sung:
        yield "Griffin-Lim", best(lambda: task._sound(sung, None))


def _samplers(task: SVC) -> Iterator[tuple[str, float]]:
    """(sampler and steps, seconds that the model takes by it)."""
    from utils.audio import Audio

    arrays = task.analysed(Audio(voice(SECONDS, RATE), RATE))
    goal = task._target(None, None)
    for options in _ways(task):
        run = task._checked(0.0, 1.0, None, options)
        way = " ".join(f"{name} {value}" for name, value in options.items())
        seconds = best(lambda r=run: task._infer(arrays, goal, r), 1)
        yield way, seconds


def _ways(task: SVC) -> list[dict[str, Any]]:
    if "sampler" not in task.options:
        return []
    if task.name == "DiffComoSVC":
        return [{"sampler": "euler", "steps": 40}, {"sampler": "euler", "steps": 1}]
    return [{"sampler": sampler, "steps": steps} for sampler, steps in SAMPLERS.items()]
