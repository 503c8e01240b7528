"""WaveRNN, two GRUs that make sound sample by sample (https://arxiv.org/abs/1802.08435), in the form of fatchord/WaveRNN."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base.model import Model
from models.vocoders.autoregression import condition, contiguous, generate
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
        self.output, self.hop_size, self.sample_rate, self.padding = output, hop_size, sample_rate, padding
        self.margin = max(0, reach_of(upsample_factors) - pad)  # a short `pad` would let the smoothing see the end of a stretch
        self.reach = pad + self.margin
        aux = self.aux_dims = res_out_dims // 4
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
        mel, frames, audio = batch["mel"], batch["frames"], batch["audio"]
        count = min(audio.shape[1], mel.shape[1] * self.hop_size)
        everyone, begin = torch.arange(len(mel), device=mel.device), torch.zeros(len(mel), dtype=torch.long, device=mel.device)
        told = condition(self, mel, everyone, begin, count, frames)
        audio = audio[:, :count]
        y = self.predict(shifted(self.output.companded(audio), 0.0), told)
        inside = valid(batch["samples"].to(mel.device).clamp(max=count), count)
        return {"nll": masked_mean(-self.output.log_prob(y.float(), audio), inside)}

    def predict(self, heard: Tensor, told: Tensor) -> Tensor:
        """The output's numbers (batch, samples, channels), of what was heard (batch, samples) before, and conditions."""
        mel, aux1, aux2, aux3, aux4 = self._split(told)
        x = self.I(torch.cat([heard[..., None], mel, aux1], 2))
        x = x + self.rnn1(x)[0]
        x = x + self.rnn2(torch.cat([x, aux2], 2))[0]
        x = F.relu(self.fc1(torch.cat([x, aux3], 2)))
        x = F.relu(self.fc2(torch.cat([x, aux4], 2)))
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
        told = torch.cat(self.upsample(context), 2)
        cut = self.margin * self.hop_size
        return told[:, cut : told.shape[1] - cut]

    def loop(self, rows: int, temperature: float) -> Loop:
        """The compiled loop at its beginning."""
        return Loop(self, rows, temperature)

    def _split(self, told: Tensor) -> tuple[Tensor, ...]:
        n_mel = told.shape[2] - 4 * self.aux_dims
        return told[..., :n_mel], *told[..., n_mel:].split(self.aux_dims, 2)


class Loop:
    """WaveRNN going on sample by sample; what the condition adds to each layer is worked out for a stretch at once."""

    def __init__(self, model: WaveRNN, rows: int, temperature: float) -> None:
        self.model, self.temperature = model, temperature
        m, size, wide = model, model.rnn1.hidden_size, model.fc1.out_features
        self.weights = contiguous(
            m.I.weight[:, 0],
            *(m.rnn1.weight_ih_l0, m.rnn1.weight_hh_l0, m.rnn1.bias_ih_l0, m.rnn1.bias_hh_l0),
            *(m.rnn2.weight_ih_l0[:, :size], m.rnn2.weight_hh_l0, m.rnn2.bias_hh_l0),
            *(m.fc1.weight[:, :size], m.fc2.weight[:, :wide], m.fc3.weight, m.fc3.bias),
        )
        self.state = (np.zeros(rows, np.float32), np.zeros((rows, size), np.float32), np.zeros((rows, size), np.float32))

    def __call__(self, condition: Tensor, draws: np.ndarray) -> np.ndarray:
        from models.vocoders.loops import KINDS, wavernn

        out = np.empty(condition.shape[:2], np.float32)
        wavernn(self._told(condition), self.weights, self.state, draws, KINDS[self.model.output.kind], self.temperature, out)
        return out

    def _told(self, condition: Tensor) -> tuple[np.ndarray, ...]:
        m, size, wide = self.model, self.model.rnn1.hidden_size, self.model.fc1.out_features
        mel, aux1, aux2, aux3, aux4 = m._split(condition.transpose(0, 1))
        return contiguous(
            F.linear(torch.cat([mel, aux1], 2), m.I.weight[:, 1:], m.I.bias),
            F.linear(aux2, m.rnn2.weight_ih_l0[:, size:], m.rnn2.bias_ih_l0),
            F.linear(aux3, m.fc1.weight[:, size:], m.fc1.bias),
            F.linear(aux4, m.fc2.weight[:, wide:], m.fc2.bias),
        )


class Upsample(nn.Module):
    """(batch, n_mel, frames + 2 * pad) to mel and auxiliary features of each sample, (batch, frames * hop, channels) both."""

    def __init__(self, n_mel: int, factors: tuple[int, ...], pad: int, hidden: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.hop = int(np.prod(factors))
        self.cut = pad * self.hop
        self.resnet = MelResNet(n_mel, pad, hidden, outputs, blocks)
        self.up_layers = stretching(factors)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        aux = self.resnet(mel).repeat_interleave(self.hop, 2)
        x = mel[:, None]
        for layer in self.up_layers:
            x = layer(x)
        return x[:, 0, :, self.cut : x.shape[3] - self.cut].transpose(1, 2), aux.transpose(1, 2)


class MelResNet(nn.Module):
    """Features of each frame from the frames around it: (batch, n_mel, frames + 2 * pad) to (batch, outputs, frames)."""

    def __init__(self, n_mel: int, pad: int, hidden: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv1d(n_mel, hidden, 2 * pad + 1, bias=False)
        self.batch_norm = nn.BatchNorm1d(hidden)
        self.layers = nn.ModuleList(ResBlock(hidden) for _ in range(blocks))
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
        self.conv1 = nn.Conv1d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv1d(channels, channels, 1, bias=False)
        self.batch_norm1 = nn.BatchNorm1d(channels)
        self.batch_norm2 = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.batch_norm1(self.conv1(x)))
        return x + self.batch_norm2(self.conv2(hidden))
