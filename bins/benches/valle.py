"""VALL-E's first codebook, code after code, at the published size: with what was worked out kept, and anew for each code as is usual.

The network without a cache is worked out whole for every code, [text, all codes so far], which is how published programs run it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bins.benches.measure import Row, row

if TYPE_CHECKING:
    from torch import Tensor

    from models.tts.valle import VALLE

TEXT = 100  # tokens
CONTEXT = 1125  # places, where codes are timed
CODES = 24  # with a cache; without one each takes seconds
SEVERAL = 8


def valle() -> list[Row]:
    """Codes a second on one core, at a context of 1,125 places: one text, eight at once, and one without a cache."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = network().eval().requires_grad_(False)
    size = sum(parameter.numel() for parameter in model.ar.parameters())
    name = f"VALL-E's first network ({size / 1e6:.0f} M)"
    with torch.inference_mode():
        slow = without_cache(model)
        one = with_cache(model, 1)
        several = with_cache(model, SEVERAL)
    rows = [
        row(f"{name}: without a cache", 1 / slow, "codes/s"),
        row(f"{name}: with it", 1 / one, "codes/s"),
        row(f"{name}: {SEVERAL} texts at once", SEVERAL / several, "codes/s"),
        row("with a cache against without", slow / one, "times", target="85 or more"),
        row(f"{SEVERAL} at once against one", SEVERAL * one / several, "times", target="3 or more"),
        row(f"keys and values of {CONTEXT} places", kept(model) / 1e6, "MB"),
    ]
    if knows_bfloat16():
        model.ar.to(torch.bfloat16)
        with torch.inference_mode():
            one = with_cache(model, 1)
            several = with_cache(model, SEVERAL)
        rows += [
            row(f"{name}: with it, in bfloat16", 1 / one, "codes/s"),
            row(f"{name}: {SEVERAL} texts at once, in bfloat16", SEVERAL / several, "codes/s"),
            row(f"{SEVERAL} at once against one, in bfloat16", SEVERAL * one / several, "times", target="3 or more"),
        ]
    return rows


def network() -> VALLE:
    """Of the published sizes, but that the second network, which is not timed, is small."""
    from models.tts.valle import VALLE

    sizes = {"n_vocab": 512, "codebooks": 8, "codebook_size": 1024}
    return VALLE(sample_rate=24000, hop_size=320, nar_scale=1 / 16, **sizes)


def without_cache(model: VALLE) -> float:
    """Seconds of a code where the whole network is worked out for it."""
    phone, tokens, codes = given(1, CONTEXT - TEXT)
    lengths = tokens.new_full((1,), codes.shape[1])
    return least(lambda: model.ar(phone, tokens, codes, lengths)[:, -1].argmax(-1), 2)


def with_cache(model: VALLE, texts: int) -> float:
    """Seconds of a code of each of so many texts."""
    from models.tts.valle_conditions import Condition
    from models.tts.valle_sampling import Drawing, Sampling
    from modules.noise import Noise

    phone, tokens, codes = given(texts, 1)
    begun = tokens * 0
    known = Condition(phone, tokens, begun, codes[..., None], begun + 1)
    drawing = Drawing(model.ar, known, tokens * 16, Sampling())
    drawing._places += CONTEXT - TEXT - CODES  # as if so many were drawn: what they are does not matter to the time
    model.ar.predict_layer.weight[model.ar.end] = 0
    steps = drawing.steps(Noise(0), 1)
    next(steps)
    return least(lambda: next(steps), CODES - 2)


def given(texts: int, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Phones, their counts, and codes of the first codebook."""
    import torch

    phone = torch.randint(1, 512, (texts, TEXT))
    tokens = torch.full((texts,), TEXT)
    codes = torch.randint(1024, (texts, frames))
    return phone, tokens, codes


def least(work: Callable[[], Any], times: int) -> float:
    """Seconds that `work` takes of one core at best, after one to warm up: what else the machine does must not count."""
    work()
    seconds = []
    for _ in range(times - 1):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def kept(model: VALLE) -> int:
    """Bytes of the cache of one text."""
    layers = model.ar.decoder.layers
    channels = layers[0].self_attn.channels
    return 2 * len(layers) * CONTEXT * channels * 4


def knows_bfloat16() -> bool:
    """Whether the processor multiplies in it."""
    import torch

    return torch.cpu._is_avx512_bf16_supported() if hasattr(torch.cpu, "_is_avx512_bf16_supported") else False
