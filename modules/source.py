"""The excitation of neural source-filter vocoders (https://arxiv.org/abs/1904.12088): sines that follow a pitch, and noise.

F0 is (batch, frames) in Hz, 0 where unvoiced. Phases are in cycles.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.noise import Noise

PHASES = Literal["sample", "frame"]


class HarmonicSource(nn.Module):
    """A pitch and its overtones, merged by one learnt layer to (batch, 1, samples); noise where there is no voice.

    `phases`: "sample" adds them up exactly, "frame" is a way of older programs, whose weights expect it: the phase of a
    frame is stretched over the one before. A frame is voiced when its F0 exceeds `threshold` Hz.
    """

    def __init__(
        self,
        *,
        sample_rate: float,
        harmonics: int = 8,
        amplitude: float = 0.1,
        noise: float = 0.003,
        threshold: float = 0.0,
        phases: PHASES = "sample",
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.voices = harmonics + 1
        self.amplitude = amplitude
        self.noise = noise
        self.threshold = threshold
        self.phases = phases
        self.l_linear = nn.Linear(self.voices, 1)

    def forward(
        self,
        f0: Tensor,
        samples: int,
        *,
        phase: Tensor | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """`samples` to a frame. See `excite`."""
        waves, _ = self.excite(f0, samples, phase=phase, noise=noise, generator=generator)
        return torch.tanh(self.l_linear(waves)).transpose(1, 2)

    def drawn(self, f0: Tensor, samples: int, noise: Noise) -> dict[str, Tensor]:
        """`phase` and `noise` for `forward`, by these names: the fundamental begins at zero, its overtones anywhere."""
        overtones = noise.uniform(1, self.voices - 1, name="phase")
        shape = (len(f0), f0.shape[1] * samples, self.voices)
        return {"phase": F.pad(overtones, (1, 0)), "noise": noise.normal(*shape, name="source")}

    def excite(
        self,
        f0: Tensor,
        samples: int,
        *,
        phase: Tensor | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The waves (batch, samples, harmonics + 1), and where there is voice (batch, samples, 1), 1 or 0.

        `phase` (batch or 1, harmonics + 1) in cycles, where each voice begins, and `noise`, normal numbers of the waves'
        shape, are drawn from `generator` unless given. The fundamental begins at zero.
        """
        if phase is None:
            phase = torch.rand(1, self.voices, generator=generator, device=f0.device)
            phase[:, 0] = 0
        cycles_of = sample_cycles if self.phases == "sample" else frame_cycles
        cycles = cycles_of(f0, samples, self.sample_rate, self.voices, phase)
        voiced = (f0 > self.threshold).float().repeat_interleave(samples, dim=1).unsqueeze(2)
        waves = self.amplitude * torch.sin(2 * math.pi * cycles)
        if noise is None:
            noise = torch.randn(waves.shape, generator=generator, device=f0.device)
        loudness = voiced * self.noise + (1 - voiced) * self.amplitude / 3
        return waves * voiced + loudness * noise, voiced


def sample_cycles(f0: Tensor, samples: int, sample_rate: float, voices: int, phase: Tensor) -> Tensor:
    """Phases (batch, samples, voices), each frame of one pitch, going on from where the one before ended."""
    step = (f0 / sample_rate).unsqueeze(2)
    n = torch.arange(1, samples + 1, device=f0.device)
    inside = step * n
    fundamental = _joined(inside).reshape(len(f0), -1, 1)
    numbers = torch.arange(1, voices + 1, device=f0.device)
    starts = phase.reshape(-1, 1, voices)
    harmonics = fundamental * numbers
    return harmonics + starts


def gliding_cycles(f0: Tensor, samples: int, sample_rate: float) -> Tensor:
    """Phases (batch, samples) of a pitch that moves in a straight line from each frame to the next."""
    step = (f0 / sample_rate).unsqueeze(2)
    change = step.diff(dim=1)
    change = F.pad(change, (0, 0, 0, 1))
    n = torch.arange(1, samples + 1, device=f0.device)
    share = n * (n - 1) / (2 * samples)
    steady = step * n
    inside = steady + change * share
    return _joined(inside).reshape(len(f0), -1)


def _joined(inside: Tensor) -> Tensor:
    """Phases within frames (batch, frames, samples), with what all frames before have turned, whole turns left out."""
    turned = torch.remainder(inside[:, :-1, -1:].double(), 1).cumsum(1).remainder(1)
    return inside + F.pad(turned, (0, 0, 1, 0)).to(inside.dtype)


def frame_cycles(f0: Tensor, samples: int, sample_rate: float, voices: int, phase: Tensor) -> Tensor:
    """Phases (batch, samples, voices) by way of the frames: how many whole turns to leave out, and where, is seen on the
    frames' phases drawn out in straight lines; the turns themselves are those of each frame's own pitch."""
    numbers = torch.arange(1, voices + 1, device=f0.device)
    step = f0.unsqueeze(2) * numbers / sample_rate
    step = step.remainder(1)
    starts = phase.reshape(-1, 1, voices)
    first = step[:, :1] + starts
    step = torch.cat([first, step[:, 1:]], dim=1)
    running = step.double().cumsum(1)
    coarse = running.float() * samples
    coarse = coarse.transpose(1, 2)
    coarse = F.interpolate(coarse, scale_factor=samples, mode="linear", align_corners=True)
    coarse = coarse.transpose(1, 2).remainder(1)
    earlier = coarse[:, :-1]
    wrapped = coarse[:, 1:] < earlier
    turned = wrapped.to(step.dtype)
    turns = F.pad(turned, (0, 0, 1, 0))
    steps = step.repeat_interleave(samples, dim=1) - turns
    cycles = steps.double().cumsum(1)
    return cycles.to(step.dtype)
