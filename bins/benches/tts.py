"""Speed of VITS, whole and part by part, and its alignment search beside what one would use instead; on one core."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bins.benches.measure import Row, one_core, row

FRAMES, TOKENS = 344, 81  # four seconds of speech, with blanks
RATE, HOP = 22050, 256


def benches() -> dict[str, Callable[[], list[Row]]]:
    return {
        "alignment": alignment,
        "vits": partial(speaking, "exp_config", "VITS", "3.5 or more"),
        "vits-small": partial(speaking, "small", "VITS small", ""),
        "vits-training": training,
    }


def alignment() -> list[Row]:
    """Eight utterances handed from frames to tokens: numba (in use), batched torch, and plain Python on one of the eight."""
    import torch

    from modules.alignment import durations, durations_torch

    scores, frames, tokens = torch.randn(8, FRAMES, TOKENS), torch.full((8,), FRAMES), torch.full((8,), TOKENS)
    ways = {"numba": durations, "torch": durations_torch}
    taken = {name: one_core(lambda w=way: w(scores, frames, tokens)) for name, way in ways.items()}
    taken["plain Python"] = 8 * one_core(lambda: plain_search(scores[0].tolist()), times=1)
    return [row(f"alignment search, 8 x {FRAMES} x {TOKENS}: {name}", spent, "seconds") for name, spent in taken.items()]


def plain_search(scores: list[list[float]]) -> list[int]:
    """The same search as its definition reads, for one utterance."""
    frames, tokens = len(scores), len(scores[0])
    best = [[float("-inf")] * tokens for _ in range(frames)]
    best[0][0] = scores[0][0]
    for t in range(1, frames):
        for n in range(min(tokens, t + 1)):
            best[t][n] = scores[t][n] + max(best[t - 1][n], best[t - 1][n - 1] if n else float("-inf"))
    found, n = [0] * tokens, tokens - 1
    for t in range(frames - 1, -1, -1):
        found[n] += 1
        if t and n and (n == t or best[t - 1][n] < best[t - 1][n - 1]):
            n -= 1
    return found


def speaking(config: str, name: str, target: str) -> list[Row]:
    """Seconds of sound for a second of work: whole, and how much each part takes of it."""
    import torch

    from modules.masks import valid

    model = network(config).eval().fold()
    phone, frames = torch.randint(1, 178, (1, TOKENS)), torch.tensor([FRAMES])
    tokens, mask = torch.tensor([TOKENS]), valid(frames, FRAMES)[:, None].float()
    z, length = torch.randn(1, model.flow.flows[0].half * 2, FRAMES), FRAMES * HOP / RATE
    hidden = model.enc_p(phone, tokens)
    parts: dict[str, Callable[[], Any]] = {
        "text encoder": lambda: model.enc_p(phone, tokens),
        "durations": lambda: model.dp.sample(hidden["hidden"], hidden["token_mask"], torch.randn(1, 2, TOKENS)),
        "flow": lambda: model.flow.inverse(z, mask),
        "decoder": lambda: model.dec.decode(z),
    }
    with torch.inference_mode():
        taken = {part: one_core(work, 2) for part, work in parts.items()}
    whole = sum(taken.values())
    made = [row(name, length / whole, "x real time", target=target)]
    return made + [row(f"{name}: {part} alone", length / spent, "x real time") for part, spent in taken.items()]


def training() -> list[Row]:
    """Seconds for the network's part of a step (forward and back, no discriminator), four utterances of three seconds."""
    import torch

    frames, tokens = torch.full((4,), 258), torch.full((4,), 61)
    batch = {
        "id": list("abcd"), "speaker": torch.zeros(4, dtype=torch.long), "frames": frames, "tokens": tokens,
        "samples": frames * HOP, "phone": torch.randint(1, 178, (4, 61)), "linear": torch.rand(4, 258, 513),
        "audio": 0.1 * torch.randn(4, 258 * HOP),
    }  # fmt: skip
    found = []
    for config in ("exp_config", "small"):
        model = network(config).train()

        def step(model: Any = model) -> None:
            out = model(batch)
            sum(value for value in out.values() if value.ndim == 0).backward()

        found.append(row(f"VITS {config}: forward and back, 4 x 3 s", one_core(step, 1), "seconds"))
    return found


def network(config: str) -> Any:
    """The untrained model of a recipe's config, for one speaker of LJSpeech."""
    from models.tts.vits import VITS
    from utils.config import build, load_config
    from utils.files import ROOT

    section = load_config(ROOT / f"egs/tts/VITS/{config}.json")["model"]
    return build(VITS, section, {"n_vocab": 178, "n_speakers": 1, "sample_rate": RATE, "hop_size": HOP})
