"""WaveRNN, two GRUs that make sound sample by sample (https://arxiv.org/abs/1802.08435), in the form of fatchord/WaveRNN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model
from models.vocoders.autoregression import condition_from_start, contiguous, generate
from models.vocoders.distributions import Output
from models.vocoders.folding import Seam
from models.vocoders.stretching import Padding, check_factors, reach_of, shifted, stretching
from modules.masks import masked_mean, valid

NINE_BITS = Output(kind="categorical", classes=512)


class WaveRNN(Model):
    """Mel (batch, frames, n_mel) to samples (batch, samples), each drawn from what the network says of the past and the mel.

    The defaults are the sizes of the published program, at 9 bits. `pad` is how many frames on either side the residual
    network looks at; `padding` is what it sees beyond the ends. The network hears classes as their place in [-1, 1].
    Raises ValueError when the sizes do not fit together.
    """

    reads = ("mel", "audio")

    def __init__(
        self,
        *,
        n_mel: int,
        sample_rate: int,
        hop_size: int,
        output: Output = NINE_BITS,
        upsample_factors: tuple[int, ...] = (5, 5, 11),
        pad: int = 2,
        padding: Padding = "edge",
        rnn_dims: int = 512,
        fc_dims: int = 512,
        compute_dims: int = 128,
        res_out_dims: int = 128,
        res_blocks: int = 10,
    ) -> None:
        super().__init__()
        check_factors("WaveRNN", upsample_factors, hop_size)
        if res_out_dims % 4:
            raise ValueError(f"WaveRNN: res_out_dims {res_out_dims} is split in four, choose a multiple of 4.")
        self.output = output
        self.hop_size = hop_size
        self.sample_rate = sample_rate
        self.padding = padding
        self.margin = max(0, reach_of(upsample_factors) - pad)  # a short `pad` would let the smoothing see the end of a stretch
        self.reach = pad + self.margin
        aux = res_out_dims // 4
        self.aux_dims = aux
        self.upsample = Upsample(n_mel, upsample_factors, pad, compute_dims, res_out_dims, res_blocks)
        self.I = nn.Linear(n_mel + aux + 1, rnn_dims)  # the published names
        self.rnn1 = nn.GRU(rnn_dims, rnn_dims, batch_first=True)
        self.rnn2 = nn.GRU(rnn_dims + aux, rnn_dims, batch_first=True)
        self.fc1 = nn.Linear(rnn_dims + aux, fc_dims)
        self.fc2 = nn.Linear(fc_dims + aux, fc_dims)
        self.fc3 = nn.Linear(fc_dims, output.channels)
        self.numbers_per_sample = 4 * rnn_dims + 2 * fc_dims + n_mel + res_out_dims

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`nll`: the negative log likelihood of a sample given those before it, in nats."""
        mel = batch["mel"]
        audio = batch["audio"]
        count = min(audio.shape[1], mel.shape[1] * self.hop_size)
        audio = audio[:, :count]
        condition = condition_from_start(self, mel, count, batch["frames"])
        values = self.output.companded(audio)
        previous = shifted(values, 0.0)
        parameters = self.predict(previous, condition).float()
        log_prob = self.output.log_prob(parameters, audio)
        lengths = batch["samples"].to(mel.device)
        mask = valid(lengths.clamp(max=count), count)
        return {"nll": masked_mean(-log_prob, mask)}

    def predict(self, previous: Tensor, condition: Tensor) -> Tensor:
        """Parameters of the output (batch, samples, channels).

        `previous` (batch, samples): the value before each sample; `condition`: (batch, samples, n_mel + res_out_dims).
        """
        mel, aux1, aux2, aux3, aux4 = self._split(condition)
        inputs = torch.cat([previous[..., None], mel, aux1], 2)
        x = self.I(inputs)
        hidden, _ = self.rnn1(x)
        x = x + hidden
        inputs = torch.cat([x, aux2], 2)
        hidden, _ = self.rnn2(inputs)
        x = x + hidden
        inputs = torch.cat([x, aux3], 2)
        x = F.relu(self.fc1(inputs))
        inputs = torch.cat([x, aux4], 2)
        x = F.relu(self.fc2(inputs))
        return self.fc3(x)

    @torch.inference_mode()
    def infer(
        self,
        mel: Tensor,
        *,
        temperature: float = 1.0,
        seed: int = 0,
        fold_seconds: float | None = None,
        overlap_seconds: float = 0.05,
        seam: Seam = "linear",
    ) -> Tensor:
        """Samples (batch, frames * hop_size) of a mel (batch, frames, n_mel); see `autoregression.generate`.

        `temperature` 0 takes the most probable sound, 1 draws as the model has it; `seed` decides every draw.
        `fold_seconds` cuts the sound into folds of that length, which are made together: several times as fast, with seams.
        `overlap_seconds` is how far two folds reach into one another, `seam` how the one becomes the other.
        """
        options = {"fold_seconds": fold_seconds, "overlap_seconds": overlap_seconds, "seam": seam}
        return generate(self, mel, temperature=temperature, seed=seed, **options)

    def expand(self, context: Tensor) -> Tensor:
        """(rows, n_mel, frames + 2 * reach) to (rows, frames * hop_size, n_mel + res_out_dims)."""
        condition = torch.cat(self.upsample(context), 2)
        cut = self.margin * self.hop_size
        return condition[:, cut : condition.shape[1] - cut]

    def loop(self, rows: int, temperature: float) -> Loop:
        """The compiled loop at its beginning."""
        return Loop(self, rows, temperature)

    def _split(self, condition: Tensor) -> tuple[Tensor, ...]:
        """The mel and the four auxiliary features of a condition."""
        n_mel = condition.shape[2] - 4 * self.aux_dims
        return condition.split([n_mel, *[self.aux_dims] * 4], 2)


class Loop:
    """WaveRNN going on sample by sample; what the condition adds to each layer is worked out for a stretch at once."""

    def __init__(self, model: WaveRNN, rows: int, temperature: float) -> None:
        self.model = model
        self.temperature = temperature
        size = model.rnn1.hidden_size
        self.weights = _loop_weights(model)
        previous = np.zeros(rows, np.float32)
        hidden1 = np.zeros((rows, size), np.float32)
        hidden2 = np.zeros((rows, size), np.float32)
        self.state = (previous, hidden1, hidden2)

    def __call__(self, condition: Tensor, draws: np.ndarray) -> np.ndarray:
        from models.vocoders.loops import KINDS, wavernn

        out = np.empty(condition.shape[:2], np.float32)
        kind = KINDS[self.model.output.kind]
        inputs = self._conditioned_inputs(condition)
        wavernn(inputs, self.weights, self.state, draws, kind, self.temperature, out)
        return out

    def _conditioned_inputs(self, condition: Tensor) -> tuple[np.ndarray, ...]:
        """What the condition and the bias add to each layer, (samples, rows, size): the first, GRU 2, both dense ones."""
        model = self.model
        by_time = condition.transpose(0, 1)
        mel, aux1, aux2, aux3, aux4 = model._split(by_time)
        aux_dims = model.aux_dims
        gru = model.rnn2
        fc1 = model.fc1
        fc2 = model.fc2
        features = torch.cat([mel, aux1], 2)
        # The other columns meet what the loop makes: the sample before, the output of GRU 1.
        of_features = model.I.weight[:, 1:]
        first = F.linear(features, of_features, model.I.bias)
        of_aux = gru.weight_ih_l0[:, -aux_dims:]
        gru2 = F.linear(aux2, of_aux, gru.bias_ih_l0)
        dense1 = F.linear(aux3, fc1.weight[:, -aux_dims:], fc1.bias)
        dense2 = F.linear(aux4, fc2.weight[:, -aux_dims:], fc2.bias)
        return contiguous(first, gru2, dense1, dense2)


def _loop_weights(model: WaveRNN) -> tuple[np.ndarray, ...]:
    """The weights that the compiled loop reads, in its order; without the columns that meet the condition."""
    rnn1 = model.rnn1
    rnn2 = model.rnn2
    size = rnn1.hidden_size
    return contiguous(
        model.I.weight[:, 0],
        rnn1.weight_ih_l0,
        rnn1.weight_hh_l0,
        rnn1.bias_ih_l0,
        rnn1.bias_hh_l0,
        rnn2.weight_ih_l0[:, :size],
        rnn2.weight_hh_l0,
        rnn2.bias_hh_l0,
        model.fc1.weight[:, :size],
        model.fc2.weight[:, : model.fc1.out_features],
        model.fc3.weight,
        model.fc3.bias,
    )


class Upsample(nn.Module):
    """(batch, n_mel, frames + 2 * pad) to mel and auxiliary features of each sample, (batch, frames * hop, channels) both."""

    def __init__(self, n_mel: int, factors: tuple[int, ...], pad: int, hidden: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.hop = math.prod(factors)
        self.cut = pad * self.hop
        self.resnet = MelResNet(n_mel, pad, hidden, outputs, blocks)
        self.up_layers = stretching(factors)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        features = self.resnet(mel)
        aux = features.repeat_interleave(self.hop, 2)
        x = mel[:, None]
        for layer in self.up_layers:
            x = layer(x)
        fine_mel = x[:, 0, :, self.cut : x.shape[3] - self.cut]
        return fine_mel.transpose(1, 2), aux.transpose(1, 2)


class MelResNet(nn.Module):
    """Features of each frame from the frames around it: (batch, n_mel, frames + 2 * pad) to (batch, outputs, frames)."""

    def __init__(self, n_mel: int, pad: int, hidden: int, outputs: int, blocks: int) -> None:
        super().__init__()
        kernel_size = 2 * pad + 1
        self.conv_in = nn.Conv1d(n_mel, hidden, kernel_size, bias=False)
        self.batch_norm = nn.BatchNorm1d(hidden)
        layers = [ResBlock(hidden) for _ in range(blocks)]
        self.layers = nn.ModuleList(layers)
        self.conv_out = nn.Conv1d(hidden, outputs, 1)

    def forward(self, mel: Tensor) -> Tensor:
        x = F.relu(self.batch_norm(self.conv_in(mel)))
        for layer in self.layers:
            x = layer(x)
        return self.conv_out(x)


class ResBlock(nn.Module):
    """Two layers over the channels of a frame, with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _pointwise(channels)
        self.conv2 = _pointwise(channels)
        self.batch_norm1 = nn.BatchNorm1d(channels)
        self.batch_norm2 = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.batch_norm1(self.conv1(x)))
        return x + self.batch_norm2(self.conv2(hidden))


def _pointwise(channels: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, 1, bias=False)
