"""The excitation of neural source-filter vocoders (https://arxiv.org/abs/1904.12088): sines that follow a pitch, and noise.

F0 is (batch, frames) in Hz, 0 where unvoiced. Phases are in cycles.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules.noise import Noise
from modules.windows import spans

PHASES = Literal["sample", "frame"]
LONG = 4000  # frames; of more the waves of a song and their noise, nine for each sample, would take gigabytes
CHUNK = 1024  # frames that are then worked out together; a multiple of sixteen, see `HarmonicSource`

Draw = Callable[..., Tensor]  # normal numbers of so many sizes


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
        noise: Tensor | Draw | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """`samples` to a frame. See `excite`; a long utterance is worked out in chunks, which give the same.

        `noise` may be a function that draws it, of the sizes of a chunk.
        """
        phase = self._phase(phase, f0, generator)
        if noise is None:
            noise = functools.partial(torch.randn, generator=generator, device=f0.device)
        chunks = [slice(0, f0.shape[1])]
        if self._in_chunks(f0, samples, noise):
            chunks = spans(f0.shape[1], CHUNK)
        parts = []
        for chunk in chunks:
            waves, _ = self._excited(f0, samples, phase, noise, chunk)
            parts.append(torch.tanh(self.l_linear(waves)))
        return torch.cat(parts, 1).transpose(1, 2)

    def drawn(self, f0: Tensor, samples: int, noise: Noise) -> dict[str, Any]:
        """`phase` and `noise` for `forward`, by these names: the fundamental begins at zero, its overtones anywhere."""
        overtones = noise.uniform(1, self.voices - 1, name="phase")
        draw = functools.partial(noise.normal, name="source")
        return {"phase": F.pad(overtones, (1, 0)), "noise": noise.given.get("source", draw)}

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
        phase = self._phase(phase, f0, generator)
        if noise is None:
            noise = functools.partial(torch.randn, generator=generator, device=f0.device)
        return self._excited(f0, samples, phase, noise, slice(0, f0.shape[1]))

    def _phase(self, phase: Tensor | None, f0: Tensor, generator: torch.Generator | None) -> Tensor:
        if phase is None:
            phase = torch.rand(1, self.voices, generator=generator, device=f0.device)
            phase[:, 0] = 0
        return phase

    def _in_chunks(self, f0: Tensor, samples: int, noise: Tensor | Draw) -> bool:
        """Whether the utterance is long, and its chunks draw the same numbers as the whole.

        They do in one row: torch draws sixteen numbers at a time, of which a chunk has a multiple, and the last frame no fewer.
        """
        if f0.shape[1] <= LONG or torch.is_grad_enabled():
            return False
        draws_alike = len(f0) == 1 and samples * self.voices >= 16
        return isinstance(noise, Tensor) or draws_alike

    def _excited(
        self, f0: Tensor, samples: int, phase: Tensor, noise: Tensor | Draw, frames: slice
    ) -> tuple[Tensor, Tensor]:
        """`excite` for some of the frames."""
        cycles_of = sample_cycles if self.phases == "sample" else frame_cycles
        cycles = cycles_of(f0, samples, self.sample_rate, self.voices, phase, frames)
        sung = (f0[:, frames] > self.threshold).float()
        voiced = sung.repeat_interleave(samples, dim=1)[..., None]
        angles = 2 * math.pi * cycles
        waves = self.amplitude * torch.sin(angles)
        hiss = noise_of(noise, frames, samples, waves.shape)
        unvoiced = 1 - voiced
        loudness = voiced * self.noise + unvoiced * self.amplitude / 3
        sound = waves * voiced
        return sound + loudness * hiss, voiced


def noise_of(noise: Tensor | Draw, frames: slice, samples: int, sizes: tuple[int, ...]) -> Tensor:
    """Those of the frames, of these `sizes`: a part of what there is of all, or drawn now."""
    if not isinstance(noise, Tensor):
        return noise(*sizes)
    return noise[:, frames.start * samples : frames.stop * samples]


def sample_cycles(
    f0: Tensor, samples: int, sample_rate: float, voices: int, phase: Tensor, frames: slice = slice(None)
) -> Tensor:
    """Phases (batch, samples, voices) of some frames, each of one pitch, going on from where the one before ended."""
    step = (f0 / sample_rate).unsqueeze(2)
    n = torch.arange(1, samples + 1, device=f0.device)
    turned = _turned(step * samples)
    inside = step[:, frames] * n + turned[:, frames]
    fundamental = inside.reshape(len(f0), -1, 1)
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
    turned = _turned(inside[..., -1:])
    return (inside + turned).reshape(len(f0), -1)


def _turned(cycles: Tensor) -> Tensor:
    """What all frames before each have turned, (batch, frames, voices) of `cycles` within each frame; whole turns are left out."""
    turns = cycles[:, :-1].double().remainder(1)
    running = turns.cumsum(1).remainder(1)
    return F.pad(running, (0, 0, 1, 0)).to(cycles.dtype)


def frame_cycles(
    f0: Tensor, samples: int, sample_rate: float, voices: int, phase: Tensor, frames: slice = slice(None)
) -> Tensor:
    """As `sample_cycles`, but where a voice begins is added in each sample of the first frame, as those programs do."""
    numbers = torch.arange(1, voices + 1, device=f0.device)
    step = f0[..., None] * numbers / sample_rate
    step = step.remainder(1).double()
    step[:, :1] += phase.reshape(-1, 1, voices)
    before = _turned(step * samples)
    n = torch.arange(1, samples + 1, device=f0.device)
    own = step[:, frames, None] * n[:, None]
    cycles = own + before[:, frames, None]
    turned = cycles.remainder(1)
    return turned.flatten(1, 2).to(f0.dtype)
