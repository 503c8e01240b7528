"""Speed of VITS, whole and part by part, and how soon a long text is heard."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bins.benches.measure import Row, best, one_core, row

FRAMES, TOKENS = 344, 81  # four seconds of speech, with blanks
RATE, HOP = 22050, 256
SENTENCE = "It was a bright cold day in April, and the clocks in the town were striking all at once."
LONG = " ".join([SENTENCE] * 264)  # five thousand words


def benches() -> dict[str, Callable[[], list[Row]]]:
    return {
        "vits": partial(speaking, "exp_config", "VITS", "3.5 or more"),
        "vits-small": partial(speaking, "small", "VITS small", ""),
        "vits-first": first_sentence,
        "vits-compiled": compiled,
        "vits-training": partial(training, "exp_config"),
        "vits-small-training": partial(training, "small"),
    }


def speaking(config: str, name: str, target: str) -> list[Row]:
    """Seconds of sound for a second of work: whole, and how much each part takes of it."""
    import torch

    from modules.masks import valid

    model = network(config).eval().prepared()
    phone = torch.randint(1, 178, (1, TOKENS))
    tokens = torch.tensor([TOKENS])
    frames = torch.tensor([FRAMES])
    mask = valid(frames, FRAMES)[:, None].float()
    z = torch.randn(1, model.flow.flows[0].half * 2, FRAMES)
    length = FRAMES * HOP / RATE
    read = model.enc_p(phone, tokens)
    given = (read["hidden"], read["token_mask"])
    parts: dict[str, Callable[[], Any]] = {
        "text encoder": lambda: model.enc_p(phone, tokens),
        "durations": lambda: model.dp.sample(*given, torch.randn(1, 2, TOKENS)) if model.stochastic else model.dp(*given),
        "flow": lambda: model.flow.inverse(z, mask),
        "decoder": lambda: model.dec.decode(z),
    }
    with torch.inference_mode():
        taken = {part: one_core(work, 2) for part, work in parts.items()}
        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        both = sum(best(work) for work in parts.values())
        torch.set_num_threads(threads)
    whole = sum(taken.values())
    rows = [row(name, length / whole, "x real time", target=target)]
    rows.append(row(f"{name}: two cores", length / both, "x real time"))
    rows += [row(f"{name}: {part} alone", length / spent, "x real time") for part, spent in taken.items()]
    return rows


def first_sentence() -> list[Row]:
    """How long one waits for the first sound of a text of 5,000 words, on one core."""
    rows = []
    for config, name in (("small", "VITS small"), ("exp_config", "VITS")):
        task, how = speaker(config)
        seconds = next(task.stream(LONG, **how)).seconds
        waited = one_core(lambda task=task, how=how: next(task.stream(LONG, **how)), 2)
        rows.append(row(f"{name}: first sentence of 5,000 words ({seconds:.1f} s of sound)", 1000 * waited, "ms"))
    return rows


def compiled() -> list[Row]:
    """How much sooner the small model has said a sentence once it is compiled, and how long compiling took."""
    task, how = speaker("small")
    plain = one_core(lambda: task(SENTENCE, **how))
    begun = time.perf_counter()
    task(SENTENCE, compile=True, **how)
    took = time.perf_counter() - begun
    quick = one_core(lambda: task(SENTENCE, compile=True, **how))
    return [
        row("VITS small: speed with --compile", plain / quick, "x without"),
        row("VITS small: the first sentence with --compile", took, "seconds"),
    ]


def speaker(config: str) -> tuple[Any, dict[str, Any]]:
    """The task of an untrained model, and options under which a token lasts as long as in speech."""
    from models.base.task import make_task
    from processors.features import FeatureSet
    from utils.config import load_config
    from utils.files import ROOT

    p = load_config(ROOT / f"egs/tts/VITS/{config}.json")["preprocess"]
    features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
    task = make_task(network(config).eval(), features, {"model_type": "VITS"}, device="cpu")
    how = {"seed": 0, "duration_noise": 0.0}
    tokens = len(task.timed(SENTENCE, speed=50, **how).phones)  # each a frame and its blank another, at this speed
    usual = tokens * 2 * FRAMES / TOKENS * HOP / RATE
    return task, how | {"speed": task(SENTENCE, **how).seconds / usual}


def training(config: str) -> list[Row]:
    """Seconds for the network's part of a step (forward and back, no discriminator), four utterances of three seconds."""
    import torch

    frames, tokens = torch.full((4,), 258), torch.full((4,), 61)
    batch = {
        "id": list("abcd"), "speaker": torch.zeros(4, dtype=torch.long), "frames": frames, "tokens": tokens,
        "samples": frames * HOP, "phone": torch.randint(1, 178, (4, 61)), "linear": torch.rand(4, 258, 513),
        "audio": 0.1 * torch.randn(4, 258 * HOP),
    }  # fmt: skip
    model = network(config).train()

    def step() -> None:
        out = model(batch)
        sum(value for value in out.values() if value.ndim == 0).backward()

    return [row(f"VITS {config}: forward and back, 4 x 3 s", one_core(step, 1), "seconds")]


def network(config: str) -> Any:
    """The untrained model of a recipe's config, for one speaker of LJSpeech."""
    from models.tts.vits import VITS
    from utils.config import build, load_config
    from utils.files import ROOT

    section = load_config(ROOT / f"egs/tts/VITS/{config}.json")["model"]
    return build(VITS, section, {"n_vocab": 178, "n_speakers": 1, "sample_rate": RATE, "hop_size": HOP})
