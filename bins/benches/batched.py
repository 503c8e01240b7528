"""Features that are networks: many utterances in a batch beside one after another."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from bins.benches.measure import Row, one_core, row, voice
from preprocessors.base import Utterance
from processors.batched import BatchedFeature, padded
from utils.audio import Audio

CLIPS = 32
SECONDS = 1.0  # where a network's calls cost as much as its sums
RATE = 16000
SIZES = (4, 32)  # utterances in a batch


@functools.cache
def network(device: str) -> Any:
    """Drawn at random: the strides of HuBERT's first part, a tenth of its channels."""
    from torch import nn

    strides = (5, 2, 2, 2, 2, 2, 2)
    layers: list[nn.Module] = []
    channels = 1
    for stride in strides:
        layers += [nn.Conv1d(channels, 48, 2 * stride, stride), nn.GELU()]
        channels = 48
    return nn.Sequential(*layers).eval().to(device)


class Network(BatchedFeature):
    """Its output, (frames, channels), of sounds that are equally long."""

    dimensions = 2
    input_rate = RATE

    def compute(self, utterances: Sequence[Utterance], audios: Sequence[Audio], device: str) -> list[np.ndarray]:
        import torch

        samples, _ = padded(audios)
        sounds = torch.from_numpy(samples)[:, None]
        with torch.inference_mode():
            output = network(device)(sounds.to(device))
        frames = output.transpose(1, 2)
        return list(frames.cpu().numpy())


def batched() -> list[Row]:
    """Utterances a second, alone and in batches: on a GPU where there is one, else on one core."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    utterances = [Utterance(id=str(number)) for number in range(CLIPS)]
    audios = [Audio(voice(SECONDS, RATE), RATE)] * CLIPS
    alone = CLIPS / one_core(lambda: _in_batches(utterances, audios, 1, device))
    rows = [row(f"a small network on {device}, one by one", alone, "utterances/s")]
    for size in SIZES:
        speed = CLIPS / one_core(lambda size=size: _in_batches(utterances, audios, size, device))
        rows.append(row(f"a small network on {device}, {size} in a batch", speed, "utterances/s"))
    return rows


def _in_batches(utterances: list[Utterance], audios: list[Audio], size: int, device: str) -> None:
    feature = Network()
    for first in range(0, CLIPS, size):
        end = first + size
        feature.compute(utterances[first:end], audios[first:end], device)
