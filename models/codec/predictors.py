"""Who is asked what each factor of speech tells: what it shall tell, and, through a reversed gradient, what it shall not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.codec.factors import mean_over_frames
from modules.dac import DACSizes, ResidualUnit
from modules.masks import masked_mean

MIDDLE = 200.0  # Hz: where a voice lies is told in octaves from here


class Labels(NamedTuple):
    """Of each frame `f0` (batch, frames) in Hz, 0 where there is no voice, and `phone` (batch, frames), or None; `speaker` (batch,)."""

    f0: Tensor
    phone: Tensor | None
    speaker: Tensor


class Factors(NamedTuple):
    """What a sound is made of, each (batch, channels, frames), and the voice, `timbre` (batch, channels)."""

    prosody: Tensor
    content: Tensor
    residual: Tensor
    timbre: Tensor

    @property
    def sum(self) -> Tensor:
        """Of all but the voice."""
        return self.prosody + self.content + self.residual


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which predictors there are beside those of F0, and of the speaker whom no factor shall tell.

    `phones`: whether training knows which phone each frame is of.
    `timbre`: the speaker of the voice's vector. `register`: how high a voice lies, of the vector, and of what shall not tell it.
    `antialiased`: whether their snakes work at twice the rate, which takes most of their time.
    """

    phones: bool = True
    timbre: bool = True
    register: bool = True
    antialiased: bool = True

    @property
    def layers(self) -> DACSizes:
        """How their layers are."""
        return DACSizes(padding="zero", antialiased=self.antialiased)


class Reversal(torch.autograd.Function):
    """The identity, whose gradient comes back the other way round (https://arxiv.org/abs/1409.7495)."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return -gradient


reversed_gradient: Callable[[Tensor], Tensor] = Reversal.apply


class Predictor(nn.Module):
    """What (batch, channels, frames) tells: `heads` answers (batch, frames, outputs) each, or (batch, outputs) of all frames together."""

    def __init__(self, channels: int, outputs: int, sizes: DACSizes, *, heads: int = 1, together: bool = False) -> None:
        super().__init__()
        self.together = together
        units = [ResidualUnit(channels, dilation, sizes) for dilation in (1, 2, 3)]
        last = sizes.activation(channels)
        self.model = nn.Sequential(*units, last)
        self.heads = nn.ModuleList()
        for _ in range(heads):
            head = nn.Linear(channels, outputs)
            self.heads.append(head)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """`mask` (batch, frames): True where there is sound."""
        hidden = self.model(x)
        hidden = mean_over_frames(hidden, mask) if self.together else hidden.transpose(1, 2)
        return [head(hidden) for head in self.heads]


def of_frames(channels: int, outputs: int | None, sizes: DACSizes) -> tuple[Predictor | None, Predictor | None]:
    """Who is to tell something of each frame, and who is not to be able to; nobody where there is nothing to tell."""
    if outputs is None:
        return None, None
    return Predictor(channels, outputs, sizes), Predictor(channels, outputs, sizes)


def of_voice(channels: int, outputs: int | None, sizes: DACSizes, *, told: bool) -> tuple[nn.Linear | None, Predictor | None]:
    """Who is to tell something of a voice's vector, if `told`, and who is not to be able to by the frames."""
    if outputs is None:
        return None, None
    teller = nn.Linear(channels, outputs) if told else None
    return teller, Predictor(channels, outputs, sizes, together=True)


class Predictors(nn.Module):
    """The losses of all who are asked. `phones` None: nobody is asked for phones; nor for the speaker where there is one alone."""

    def __init__(self, channels: int, *, phones: int | None, speakers: int, asked: Asked) -> None:
        super().__init__()
        sizes = asked.layers
        self.f0 = Predictor(channels, 1, sizes, heads=2)
        self.reversed_f0 = Predictor(channels, 1, sizes, heads=2)
        several = None
        if speakers > 1:
            several = speakers
        height = None
        if asked.register:
            height = 1
        self.phone, self.reversed_phone = of_frames(channels, phones, sizes)
        self.speaker, self.reversed_speaker = of_voice(channels, several, sizes, told=asked.timbre)
        self.register, self.reversed_register = of_voice(channels, height, sizes, told=True)

    def forward(self, factors: Factors, labels: Labels, mask: Tensor) -> dict[str, Tensor]:
        """Losses by name; of what a factor shall not tell, they begin with "reversed_". `mask` (batch, frames): True where there is sound."""
        losses = self._told(factors, labels, mask)
        others = self._hidden(factors, labels, mask)
        for name, loss in others.items():
            losses[f"reversed_{name}"] = loss
        return losses

    def _told(self, factors: Factors, labels: Labels, mask: Tensor) -> dict[str, Tensor]:
        """The losses of what each factor shall tell."""
        pitch = self.f0(factors.prosody)
        losses = pitch_losses(pitch, labels, mask)
        if self.phone is not None:
            phones = self.phone(factors.content)
            losses["phone"] = _phone_loss(phones, labels, mask)
        if self.speaker is not None:
            speakers = self.speaker(factors.timbre)
            losses["speaker"] = F.cross_entropy(speakers, labels.speaker)
        if self.register is not None:
            register = self.register(factors.timbre)
            losses["register"] = _register_loss(register, labels, mask)
        return losses

    def _hidden(self, factors: Factors, labels: Labels, mask: Tensor) -> dict[str, Tensor]:
        """The losses of those who look for what a factor shall not tell."""
        residual = reversed_gradient(factors.residual)
        pitch = self.reversed_f0(residual)
        losses = pitch_losses(pitch, labels, mask)
        if self.reversed_phone is not None:
            phones = self.reversed_phone(residual)
            losses["phone"] = _phone_loss(phones, labels, mask)
        if self.reversed_speaker is not None:
            everything = reversed_gradient(factors.sum)
            (speakers,) = self.reversed_speaker(everything, mask)
            losses["speaker"] = F.cross_entropy(speakers, labels.speaker)
        if self.reversed_register is not None:
            spoken = reversed_gradient(factors.prosody + factors.content)
            (register,) = self.reversed_register(spoken, mask)
            losses["register"] = _register_loss(register, labels, mask)
        return losses


def pitch_losses(answers: list[Tensor], labels: Labels, mask: Tensor) -> dict[str, Tensor]:
    """`f0` in octaves from the utterance's mean, over its voiced frames, and `voicing`."""
    pitch, voicing = [answer.squeeze(-1) for answer in answers]
    octaves, voiced = _octaves(labels.f0, mask)
    middle = _mean(octaves, voiced)
    wanted = octaves - middle[:, None]
    distance = (pitch - wanted).abs()
    is_voiced = voiced.to(voicing.dtype)
    doubt = F.binary_cross_entropy_with_logits(voicing, is_voiced, reduction="none")
    return {
        "f0": masked_mean(distance, voiced),
        "voicing": masked_mean(doubt, mask),
    }


def _phone_loss(answers: list[Tensor], labels: Labels, mask: Tensor) -> Tensor:
    (logits,) = answers
    distance = F.cross_entropy(logits.transpose(1, 2), labels.phone, reduction="none")
    return masked_mean(distance, mask)


def _register_loss(answer: Tensor, labels: Labels, mask: Tensor) -> Tensor:
    """How far the utterance's mean pitch is from `answer` (batch, 1), in octaves squared, over those that have a voice."""
    octaves, voiced = _octaves(labels.f0, mask)
    distance = (answer - _mean(octaves, voiced)[:, None]).square()
    return masked_mean(distance, voiced.any(1, keepdim=True))


def _octaves(f0: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Pitch (batch, frames) in octaves, and where there is any."""
    voiced = mask & (f0 > 0)
    pitch = torch.where(voiced, f0, MIDDLE)
    return (pitch / MIDDLE).log2(), voiced


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """(batch, frames) to (batch,), over the True of `mask`; 0 where there is none."""
    counts = mask.sum(1).clamp(min=1)
    return (values * mask).sum(1) / counts
