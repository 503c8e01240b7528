"""Two small networks as features, one that minds padding and one that does not; run as a program, it is bins.extract for them."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import nn

from processors.batched import BatchedFeature, padded
from processors.clock import Clock
from processors.features import FEATURES

WINDOW = 400
HOP = 320
forked = False  # a test sets it: a process that is forked then has it too, one that is spawned does not


@functools.cache
def network(kind: str, device: str) -> nn.Module:
    """Frames of HOP samples, eight channels; a group norm runs over time."""
    torch.manual_seed(3)
    middle = nn.GroupNorm(2, 16) if kind == "swaying" else nn.Identity()
    layers = nn.Sequential(nn.Conv1d(1, 16, 20, 10), middle, nn.GELU(), nn.Conv1d(16, 8, 39, 32))
    return layers.double().eval().to(device)  # single ones round by the size of a batch, in another way on each processor


class Steady(BatchedFeature):
    """Convolutions alone, (frames, 8). `log` is a file with a line for each batch; the ids name whose batch goes wrong, and how."""

    padding_changes = False
    dimensions = 2
    input_rate = 16000
    clock = Clock(50, Fraction(200, 16000))
    kind_of_network = "steady"

    def __init__(
        self, *, log: str = "", pause: float = 0.0, most: int = 1000, broken: str = "", killed: str = "", twice: str = "", nan: str = ""
    ) -> None:
        self.log = log
        self.pause = pause
        self.most = most
        self.broken = broken
        self.killed = killed
        self.twice = twice
        self.nan = nan

    def compute(self, utterances, audios, device):
        ids = [utterance.id for utterance in utterances]
        self._tell(ids, device)
        if self.killed in ids and multiprocessing.parent_process():
            os.kill(os.getpid(), signal.SIGKILL)
        if len(ids) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory: a toy's")
        if self.broken in ids:
            raise ValueError("the toy does not like it")
        time.sleep(self.pause)
        arrays = self._frames(audios, device)
        if self.twice in ids:
            place = ids.index(self.twice)
            arrays[place] = np.repeat(arrays[place], 2, axis=0)
        if self.nan in ids:
            arrays[ids.index(self.nan)][:] = np.nan
        return arrays

    def _frames(self, audios, device):
        samples, lengths = padded(audios)
        sounds = torch.from_numpy(samples)[:, None]
        net = network(self.kind_of_network, device)
        with torch.inference_mode():
            found = net(sounds.double().to(device)).transpose(1, 2).float()
        frames = (lengths - WINDOW) // HOP + 1
        return [row[:count].cpu().numpy() for row, count in zip(found, frames, strict=True)]

    def _tell(self, ids, device):
        if self.log:
            line = f"{os.getpid()} {device} {int(forked)} {' '.join(ids)}\n"
            with open(self.log, "a") as file:
                file.write(line)


class Swaying(Steady):
    """With a norm over time. It reads whole frames, so that more sounds are of one length."""

    padding_changes = True
    kind_of_network = "swaying"

    def input_length(self, samples):
        return samples - (samples - WINDOW) % HOP if samples >= WINDOW else samples


class Needing(Steady):
    """A network that is worked out from a feature of the CPU, and that one kept."""

    needs = ("slow",)

    def compute(self, utterances, audios, device, slow):
        assert [len(array) for array in slow] == [1 + len(audio.samples) // 200 for audio in audios]
        return super().compute(utterances, audios, device)


def rows(log: Path) -> list[tuple[str, str, str, list[str]]]:
    """(process, device, forked, ids) of each batch."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(*line.split()[:3], line.split()[3:]) for line in lines]


def is_forked(_: int) -> bool:
    return forked


FEATURES.update({
    "steady": "tests.toy_networks:Steady",
    "swaying": "tests.toy_networks:Swaying",
    "needing": "tests.toy_networks:Needing",
})  # fmt: skip

if __name__ == "__main__":
    import tests.toy  # noqa: F401 (the toy model)
    import tests.toy_networks  # noqa: F401 (the table must name tests.toy_networks, not __main__)
    from bins.cli import run
    from bins.extract import main

    run(main)
