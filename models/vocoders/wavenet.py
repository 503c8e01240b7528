"""WaveNet, dilated causal convolutions that make sound sample by sample (https://arxiv.org/abs/1609.03499), in the form of r9y9."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model, former_names
from models.vocoders.autoregression import condition_from_start, contiguous, generate
from models.vocoders.distributions import Output
from models.vocoders.folding import Seam
from models.vocoders.stretching import Padding, check_factors, reach_of, shifted, stretching
from modules.masks import masked_mean, valid
from modules.norm import weight_norm

LOGISTICS = Output()
ACTIVATIONS = {"none": None, "ReLU": nn.ReLU, "LeakyReLU": nn.LeakyReLU, "Tanh": nn.Tanh, "Sigmoid": nn.Sigmoid}


@dataclass(frozen=True, kw_only=True)
class Upsampling:
    """From mel frames to samples.

    `context`: frames on either side that the first convolution sees. `bands`: mel bands that the smoothing spans.
    `convolve` False leaves the first convolution out. `trim`: Amphion pads it with zeros and trims what they touched.
    `activation` follows each stage, `slope` is that of LeakyReLU. No `factors`: every frame is repeated.
    """

    factors: tuple[int, ...] = (4, 4, 4, 4)
    context: int = 2
    bands: int = 1
    convolve: bool = True
    trim: bool = False
    activation: Literal["none", "ReLU", "LeakyReLU", "Tanh", "Sigmoid"] = "none"
    slope: float = 0.01


@dataclass(frozen=True, kw_only=True)
class NetworkSizes:
    """Of the dilated layers, in `stacks` that each begin anew with a dilation of 1; the defaults are r9y9's."""

    layers: int = 24
    stacks: int = 4
    residual_channels: int = 128
    gate_channels: int = 256
    skip_channels: int = 128
    kernel_size: int = 3
    dropout: float = 0.05

    @property
    def dilations(self) -> Iterator[int]:
        """Of each layer, one by one: settings of absurd numbers are noticed by the first layers."""
        cycle = self.layers // self.stacks
        for layer in range(self.layers):
            yield 2 ** (layer % cycle)


class WaveNet(Model):
    """Mel (batch, frames, n_mel) to samples (batch, samples), each drawn from what the network says of the past and the mel.

    The defaults are r9y9's: a mixture of ten logistics. `one_hot` feeds classes back as such and not as their value, and
    asks for a "categorical" output. `speaker_channels` above 0 tells every layer who speaks; `embed_speakers` False takes
    vectors of that size instead of numbers. `padding` is what the network sees beyond the ends of a mel.
    Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")
    tables = {"speakers": "embed_speakers.weight"}
    former = former_names("network", NetworkSizes)

    def __init__(
        self,
        *,
        n_mel: int,
        sample_rate: int,
        hop_size: int,
        n_speakers: int = 1,
        output: Output = LOGISTICS,
        one_hot: bool = False,
        upsampling: Upsampling = Upsampling(),
        padding: Padding = "edge",
        network: NetworkSizes = NetworkSizes(),
        speaker_channels: int = 0,
        embed_speakers: bool = True,
    ) -> None:
        super().__init__()
        _check(network, one_hot, output)
        if upsampling.factors:
            check_factors("WaveNet", upsampling.factors, hop_size)
        self.output = output
        self.one_hot = one_hot
        self.hop_size = hop_size
        self.sample_rate = sample_rate
        self.padding = padding
        self.margin = reach_of(upsampling.factors)
        self.reach = upsampling.context + self.margin if upsampling.factors else 0
        self.numbers_per_sample = network.layers * network.gate_channels + 2 * n_mel

        self.first_conv = _dense(output.classes if one_hot else 1, network.residual_channels)
        self.conv_layers = nn.ModuleList()
        for dilation in network.dilations:
            self.conv_layers.append(Layer(network, n_mel, speaker_channels, dilation=dilation))
        # Nothing follows the last layer but its skip: this one stays as it is, and only published files ask for it.
        self.conv_layers[-1].conv1x1_out.requires_grad_(False)
        skips = network.skip_channels
        last = [nn.ReLU(), _dense(skips, skips), nn.ReLU(), _dense(skips, output.channels)]
        self.last_conv_layers = nn.ModuleList(last)
        self.embed_speakers = None
        if speaker_channels and embed_speakers:
            self.embed_speakers = nn.Embedding(n_speakers, speaker_channels)
        self.speaker_channels = speaker_channels
        self.upsample_net = Upsample(n_mel, upsampling) if upsampling.factors else None

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`nll`: the negative log likelihood of a sample given those before it, in nats."""
        mel = batch["mel"]
        audio = batch["audio"]
        speaker = batch.get("speaker")
        count = min(audio.shape[1], mel.shape[1] * self.hop_size)
        audio = audio[:, :count]
        condition = condition_from_start(self, mel, count, batch["frames"])
        values = self.output.companded(audio)
        previous = shifted(values, self.silence)
        x = self.encode(previous)
        parameters = self.predict(x, condition.transpose(1, 2), speaker)
        parameters = parameters.transpose(1, 2).float()
        log_prob = self.output.log_prob(parameters, audio)
        lengths = batch["samples"].to(mel.device)
        mask = valid(lengths.clamp(max=count), count)
        return {"nll": masked_mean(-log_prob, mask)}

    @property
    def silence(self) -> float:
        """The value before the first sample."""
        return float(self.output.companded(torch.zeros(1)))

    def encode(self, values: Tensor) -> Tensor:
        """Values (batch, samples) as the first layer takes them, (batch, 1 or classes, samples)."""
        if not self.one_hot:
            return values[:, None]
        labels = ((values + 1) / 2 * (self.output.classes - 1)).round().long()
        one_hot = F.one_hot(labels, self.output.classes)
        return one_hot.to(self.first_conv.weight.dtype).transpose(1, 2)

    def predict(self, x: Tensor, condition: Tensor, speaker: Tensor | None = None) -> Tensor:
        """Parameters of the output (batch, channels, samples) for inputs and conditions (batch, channels, samples)."""
        x = self.first_conv(x)
        skips = 0
        embedding = self.speaker_vector(speaker)
        for layer in self.conv_layers:
            x, skip = layer(x, condition, embedding)
            skips = skips + skip
        x = skips * math.sqrt(1 / len(self.conv_layers))
        for layer in self.last_conv_layers:
            x = layer(x)
        return x

    def speaker_vector(self, speaker: Tensor | None) -> Tensor | None:
        """(batch, speaker_channels, 1) of numbers (batch,), or of vectors (batch, speaker_channels)."""
        if not self.speaker_channels:
            return None
        if speaker is None:
            raise ValueError(f"WaveNet: speaker_channels is {self.speaker_channels}, so it must be told who speaks.")
        vector = speaker if self.embed_speakers is None else self.embed_speakers(speaker.flatten())
        return vector.reshape(len(speaker), -1, 1)

    @torch.inference_mode()
    def infer(
        self,
        mel: Tensor,
        *,
        speaker: int = 0,
        temperature: float = 1.0,
        seed: int = 0,
        fold_seconds: float | None = None,
        overlap_seconds: float = 0.05,
        seam: Seam = "linear",
    ) -> Tensor:
        """Samples (batch, frames * hop_size) of a mel (batch, frames, n_mel); see `autoregression.generate`.

        `speaker` is the number of who speaks. `temperature` 0 takes the most probable sound, 1 draws as the model has it;
        `seed` decides every draw. `fold_seconds` cuts the sound into folds of that length, which are made together:
        several times as fast, with seams. `overlap_seconds` is how far two folds reach into one another, `seam` how the
        one becomes the other.
        """
        options = {"fold_seconds": fold_seconds, "overlap_seconds": overlap_seconds, "seam": seam}
        if self.speaker_channels:
            options["speaker"] = torch.tensor([speaker], device=mel.device)
        return generate(self, mel, temperature=temperature, seed=seed, **options)

    def expand(self, context: Tensor) -> Tensor:
        """(rows, n_mel, frames + 2 * reach) to (rows, frames * hop_size, n_mel)."""
        if self.upsample_net is None:
            return context.repeat_interleave(self.hop_size, 2).transpose(1, 2)
        condition = self.upsample_net(context)
        cut = self.margin * self.hop_size
        return condition[..., cut : condition.shape[2] - cut].transpose(1, 2)

    def loop(self, rows: int, temperature: float, **options: Any) -> Loop:
        """The compiled loop at its beginning; see `Loop`."""
        return Loop(self, rows, temperature, **options)

    @property
    def receptive_field_samples(self) -> int:
        """How many samples, the present one's predecessor first, have a say in a sample."""
        return sum(layer.past for layer in self.conv_layers) + 1


class Layer(nn.Module):
    """A gated dilated convolution that sees no future, with the condition added to its gates.

    `past`: how many samples before the present one it reads.
    """

    def __init__(self, sizes: NetworkSizes, n_mel: int, speaker_channels: int, *, dilation: int) -> None:
        super().__init__()
        residual = sizes.residual_channels
        gates = sizes.gate_channels
        self.dropout = sizes.dropout
        self.past = (sizes.kernel_size - 1) * dilation
        conv = nn.Conv1d(residual, gates, sizes.kernel_size, dilation=dilation)
        self.conv = weight_norm(_kaiming(conv))
        self.conv1x1c = _dense(n_mel, gates, bias=False)
        self.conv1x1g = _dense(speaker_channels, gates, bias=False) if speaker_channels else None
        self.conv1x1_out = _dense(gates // 2, residual)
        self.conv1x1_skip = _dense(gates // 2, sizes.skip_channels)

    def forward(self, x: Tensor, condition: Tensor, speaker: Tensor | None) -> tuple[Tensor, Tensor]:
        """The layer's output and its skip, of `x`, `condition` (batch, channels, samples), `speaker` (batch, channels, 1)."""
        dropped = F.dropout(x, self.dropout, self.training)
        causal = F.pad(dropped, (self.past, 0))
        hidden = self.conv(causal)
        hidden = hidden + self.conv1x1c(condition)
        if self.conv1x1g is not None and speaker is not None:
            hidden = hidden + self.conv1x1g(speaker)
        value, gate = hidden.chunk(2, 1)
        hidden = torch.tanh(value) * torch.sigmoid(gate)
        residual = self.conv1x1_out(hidden)
        skip = self.conv1x1_skip(hidden)
        out = (x + residual) * math.sqrt(0.5)
        return out, skip


class Loop:
    """WaveNet going on sample by sample, with the past inputs of each layer in rings.

    `speaker`: as in `WaveNet.predict`, of one for all rows, or one a row. `first`: another input than silence before the
    first sample, (1 or classes,).
    """

    def __init__(
        self, model: WaveNet, rows: int, temperature: float, *, speaker: Tensor | None = None, first: Tensor | None = None
    ) -> None:
        self.model = model
        self.temperature = temperature
        self.speaker = model.speaker_vector(speaker)
        self.weights = _loop_weights(model)
        dilations = np.array([layer.conv.dilation[0] for layer in model.conv_layers])
        lengths = np.array([layer.past + 1 for layer in model.conv_layers])
        offsets = np.cumsum(lengths) - lengths
        self.plan = (dilations, offsets, lengths)
        if first is None:
            silence = torch.full((1, 1), model.silence)
            first = model.encode(silence)[0, :, 0]
        conv = model.first_conv
        (x,) = contiguous(first.to(conv.bias) @ _matrix(conv) + conv.bias)
        rings = np.zeros((lengths.sum(), rows, len(x)), np.float32)
        time = np.zeros(1, np.int64)
        self.state = (np.tile(x, (rows, 1)), rings, time)

    def __call__(self, condition: Tensor, draws: np.ndarray) -> np.ndarray:
        from models.vocoders.loops import KINDS, wavenet

        out = np.empty(condition.shape[:2], np.float32)
        kind = KINDS[self.model.output.kind]
        gates = self._conditioned_gates(condition)
        wavenet(gates, self.weights, self.plan, self.state, draws, kind, self.temperature, out)
        return out

    def _conditioned_gates(self, condition: Tensor) -> np.ndarray:
        """What condition, speaker and bias add to the gates of each layer: (samples, layers, rows, gate_channels)."""
        rows, samples, _ = condition.shape
        layers = self.model.conv_layers
        channels = layers[0].conv.out_channels
        out = np.empty((samples, len(layers), rows, channels), np.float32)
        for i, layer in enumerate(layers):
            gates = F.linear(condition.transpose(0, 1), layer.conv1x1c.weight[..., 0], layer.conv.bias)
            if layer.conv1x1g is not None:
                embedding = layer.conv1x1g(self.speaker)
                gates = gates + embedding[..., 0]
            out[:, i] = gates.float().cpu().numpy()
        return out


def _loop_weights(model: WaveNet) -> tuple[np.ndarray, ...]:
    """The weights that the compiled loop reads, in its order; of the dilated layers as stacks."""
    taps = []
    ends = []
    end_biases = []
    for layer in model.conv_layers:
        taps.append(layer.conv.weight.transpose(1, 2).flatten(1))
        end = torch.cat([layer.conv1x1_out.weight, layer.conv1x1_skip.weight])
        ends.append(end[..., 0])
        bias = torch.cat([layer.conv1x1_out.bias, layer.conv1x1_skip.bias])
        end_biases.append(bias)
    first = model.first_conv
    _, dense1, _, dense2 = model.last_conv_layers
    return contiguous(
        _matrix(first),
        first.bias,
        torch.stack(taps),
        torch.stack(ends),
        torch.stack(end_biases),
        dense1.weight[..., 0],
        dense1.bias,
        dense2.weight[..., 0],
        dense2.bias,
    )


class Upsample(nn.Module):
    """(batch, n_mel, frames + 2 * context) to (batch, n_mel, frames * hop): the mel of each sample."""

    def __init__(self, n_mel: int, settings: Upsampling) -> None:
        super().__init__()
        padded = settings.context if settings.trim else 0
        self.conv_in = None
        if settings.convolve:
            self.conv_in = nn.Conv1d(n_mel, n_mel, 2 * settings.context + 1, padding=padded, bias=False)
        self.upsample = Smoothing(settings)

    def forward(self, mel: Tensor) -> Tensor:
        return self.upsample(mel if self.conv_in is None else self.conv_in(mel))


class Smoothing(nn.Module):
    """The stages of repeating and smoothing, and the trimming of frames that served as context only."""

    def __init__(self, settings: Upsampling) -> None:
        super().__init__()
        activation = _activation(settings)
        self.up_layers = stretching(settings.factors, bands=settings.bands, normed=True, activation=activation)
        self.cut = 0
        if settings.trim or not settings.convolve:
            self.cut = math.prod(settings.factors) * settings.context

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, None]
        for layer in self.up_layers:
            x = layer(x)
        return x[:, 0, :, self.cut : x.shape[3] - self.cut]


def _activation(settings: Upsampling) -> nn.Module | None:
    kind = ACTIVATIONS[settings.activation]
    if kind is None:
        return None
    return kind(settings.slope) if kind is nn.LeakyReLU else kind()


def _kaiming(conv: nn.Conv1d) -> nn.Conv1d:
    """A start that neither grows nor shrinks what passes."""
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _dense(inputs: int, outputs: int, *, bias: bool = True) -> nn.Module:
    return weight_norm(_kaiming(nn.Conv1d(inputs, outputs, 1, bias=bias)))


def _matrix(conv: nn.Module) -> Tensor:
    """The weight of a convolution over one sample as (inputs, outputs)."""
    return conv.weight[..., 0].T


def _check(sizes: NetworkSizes, one_hot: bool, output: Output) -> None:
    if sizes.layers % sizes.stacks:
        raise ValueError(
            f"WaveNet: layers {sizes.layers} must be a multiple of stacks {sizes.stacks}: each stack doubles its dilations from 1."
        )
    if sizes.gate_channels % 2:
        raise ValueError(f"WaveNet: gate_channels {sizes.gate_channels} must be even: one half gates the other.")
    if one_hot and output.kind != "categorical":
        raise ValueError(f'WaveNet: one_hot feeds classes back, so output.kind must be "categorical", not "{output.kind}".')
