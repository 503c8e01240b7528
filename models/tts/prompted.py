"""What NaturalSpeech 2 (https://arxiv.org/abs/2304.09116) says under a prompt: numbers a place, and the latents in a noisy batch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.diffusion import waves_of
from modules.gated import gate
from modules.styled import attended, check_heads, check_odd


@dataclass(frozen=True, kw_only=True)
class PredictorSizes:
    """Of a `PromptedPredictor`: each `attention_every`-th layer looks at the prompt before it."""

    layers: int = 30
    kernel: int = 3
    heads: int = 8
    attention_every: int = 3
    dropout: float = 0.5

    def network(self, channels: int, *, published: bool) -> PromptedPredictor:
        """The predictor, over hidden states of so many channels."""
        check_heads("predictors.heads", channels, self.heads)
        check_odd("predictors.kernel", self.kernel)
        return PromptedPredictor(self, channels, published=published)


class PromptedPredictor(nn.Module):
    """One number a place of (batch, places, channels), by convolutions with residuals that look at a prompt.

    `published`: the norm comes before the attention, and a residual passes both by, as in published weights.
    """

    def __init__(self, sizes: PredictorSizes, channels: int, *, published: bool) -> None:
        super().__init__()
        self.every = sizes.attention_every
        self.published = published
        padding = sizes.kernel // 2
        self.conv = nn.ModuleList()
        self.cattn = nn.ModuleList()
        for number in range(sizes.layers):
            conv = nn.Conv1d(channels, channels, sizes.kernel, padding=padding)
            self.conv.append(nn.ModuleList([conv, nn.ReLU(), nn.LayerNorm(channels), nn.Dropout(sizes.dropout)]))
            if number % self.every == 0:
                attention = nn.MultiheadAttention(channels, sizes.heads, sizes.dropout, batch_first=True)
                self.cattn.append(nn.ModuleList([attention, nn.LayerNorm(channels)]))
        self.linear = nn.Linear(channels, 1)

    def forward(
        self, x: Tensor, mask: Tensor, prompt: Tensor, prompt_mask: Tensor, *, visible: Tensor | None = None
    ) -> Tensor:
        """(batch, places). `mask` (batch, places): True where real; `prompt` (batch, prompt places, channels) and its mask.

        `visible` (batch, places) is what convolutions see, unless it is told that of `mask`.
        """
        real = mask[..., None]
        seen = real if visible is None else visible[..., None]
        for number, convolved in enumerate(self.conv):
            before = x
            if number % self.every == 0:
                x = self._looked(self.cattn[number // self.every], x, prompt, prompt_mask)
            residual = before if self.published else x
            hidden = _convolved(convolved, x * seen)
            x = hidden + residual if number else hidden
            x = x * real
        return self.linear(x)[..., 0]

    def _looked(self, layer: nn.ModuleList, x: Tensor, prompt: Tensor, mask: Tensor) -> Tensor:
        """`x` with what it draws from the prompt."""
        attention, norm = layer
        queries = norm(x) if self.published else x
        drawn = attended(attention, queries, prompt, mask)
        if not self.published:
            drawn = norm(drawn)
        return (x + drawn) * 0.5**0.5


def _convolved(layer: nn.ModuleList, x: Tensor) -> Tensor:
    """One layer of a predictor over (batch, places, channels)."""
    conv, activation, norm, dropout = layer
    hidden = activation(conv(x.transpose(1, 2)))
    normal = norm(hidden.transpose(1, 2))
    return dropout(normal)


@dataclass(frozen=True, kw_only=True)
class Predictors:
    """The sizes of what predicts durations and what predicts the pitch."""

    duration: PredictorSizes = PredictorSizes()
    pitch: PredictorSizes = PredictorSizes(kernel=5)


@dataclass(frozen=True, kw_only=True)
class DenoiserSizes:
    """Of a `PromptedDenoiser`: the dilation doubles from layer to layer, and begins again with each cycle."""

    layers: int = 40
    kernel: int = 3
    cycle: int = 2
    heads: int = 8
    attention_every: int = 3
    dropout: float = 0.2

    def network(self, latent: int, channels: int) -> PromptedDenoiser:
        """The denoiser of latents of so many channels, inside of which there are `channels`."""
        check_heads("denoiser.heads", channels, self.heads)
        check_odd("denoiser.kernel", self.kernel)
        return PromptedDenoiser(self, latent, channels)


class PromptedDenoiser(nn.Module):
    """Noisy latents (batch, latent, frames) at a time, under a prior and a voice, to what is asked of them, of the same shape.

    A WaveNet, each `attention_every`-th layer of which is scaled and shifted by what it draws from the voice.
    """

    def __init__(self, sizes: DenoiserSizes, latent: int, channels: int) -> None:
        super().__init__()
        self.in_proj = nn.Conv1d(latent, channels, 1)
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.Mish(), nn.Linear(4 * channels, channels))
        self.cond_ln = nn.LayerNorm(channels)
        self.layers = nn.ModuleList()
        for number in range(sizes.layers):
            dilation = 2 ** (number % sizes.cycle)
            looks = number % sizes.attention_every == 0
            layer = PromptedLayer(sizes, channels, dilation, looks=looks)
            self.layers.append(layer)
        self.skip_proj = nn.Conv1d(channels, channels, 1)
        self.out_proj = nn.Conv1d(channels, latent, 1)
        self.register_buffer("frequencies", wave_frequencies(channels // 2), persistent=False)

    def forward(self, noisy: Tensor, time: Tensor, shares: Iterable[Tensor], voice: Tensor, mask: Tensor) -> Tensor:
        """`time` (batch,) or (1,), from 0 (clean) to 1; `shares` are what `conditions` gives; `voice` (batch, queries, channels);
        `mask` (batch, frames): True where real."""
        inside = mask[:, None].to(noisy.dtype)
        waves = waves_of(time, self.frequencies, cosine_first=False)
        step = self.mlp(waves)
        x = F.relu(self.in_proj(noisy))
        total = torch.zeros_like(x)
        for layer, share in zip(self.layers, shares, strict=True):
            x, skip = layer(x, step, share, voice, inside)
            total = total + skip
        scale = len(self.layers) ** -0.5
        mean = total * inside * scale
        hidden = F.relu(self.skip_proj(mean))
        return self.out_proj(hidden)

    def conditions(self, prior: Tensor) -> list[Tensor]:
        """What each layer makes of a prior (batch, frames, channels): the same at every time."""
        x = self.cond_ln(prior).transpose(1, 2)
        return [layer.cond_proj(x) for layer in self.layers]


class PromptedLayer(nn.Module):
    """One gated convolution, and what passes it by."""

    def __init__(self, sizes: DenoiserSizes, channels: int, dilation: int, *, looks: bool) -> None:
        super().__init__()
        padding = (sizes.kernel - 1) * dilation // 2
        twice = 2 * channels
        self.diffusion_proj = nn.Linear(channels, channels)
        self.dilated_conv = nn.Conv1d(channels, twice, sizes.kernel, padding=padding, dilation=dilation)
        self.cond_proj = nn.Conv1d(channels, twice, 1)
        self.out_proj = nn.Conv1d(channels, twice, 1)
        self.attn = None
        if looks:
            self.ln = nn.LayerNorm(channels)
            self.attn = nn.MultiheadAttention(channels, sizes.heads, sizes.dropout, batch_first=True)
            self.film = nn.ModuleDict({name: nn.Linear(channels, twice) for name in ("gain", "bias")})

    def forward(self, x: Tensor, step: Tensor, share: Tensor, voice: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """What goes on to the next layer, and what goes to the end."""
        moment = self.diffusion_proj(step)
        stepped = (x + moment[..., None]) * inside
        hidden = self.dilated_conv(stepped) + share
        if self.attn is not None:
            hidden = self._moved(hidden, stepped, voice)
        out = self.out_proj(gate(hidden, tanh_first=False))
        residual, skip = out.chunk(2, 1)
        following = (x + residual) * 0.5**0.5
        return following, skip

    def _moved(self, hidden: Tensor, x: Tensor, voice: Tensor) -> Tensor:
        """`hidden`, scaled and shifted by what `x` draws from the voice."""
        queries = self.ln(x.transpose(1, 2))
        drawn = attended(self.attn, queries, voice)
        gain = self.film["gain"](drawn)
        bias = self.film["bias"](drawn)
        return hidden * gain.transpose(1, 2) + bias.transpose(1, 2)


def wave_frequencies(count: int) -> Tensor:
    """(count,) radians over a whole diffusion, from 1 to a ten-thousandth, each the same part of the one before."""
    last = max(count - 1, 1)
    return torch.exp(-math.log(10_000) * torch.arange(count) / last)
