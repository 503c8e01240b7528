"""WaveRNN and WaveNet: the compiled loops beside the plain ones, with the same weights and draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bins.benches.measure import best, row
from models.vocoders.autoregression import condition, drawer, generate, run
from models.vocoders.wavenet import WaveNet
from models.vocoders.wavernn import WaveRNN


@torch.inference_mode()
def generate_plain(model: WaveRNN | WaveNet, mel: Tensor, *, samples: int, temperature: float = 1.0, seed: int = 0) -> Tensor:
    """The first `samples` network values (batch, samples) by the obvious loop over samples, one at a time, in torch.

    WaveRNN: one step of both GRUs and all layers a sample. WaveNet: the whole network over its receptive field a sample.
    """
    rows = len(mel)
    draw = drawer(model.output, rows, seed)
    drawn = draw(samples)
    draws = torch.from_numpy(drawn).to(mel.device)
    everyone = torch.arange(rows, device=mel.device)
    starts = torch.zeros_like(everyone)
    conditions = condition(model, mel, everyone, starts, samples)
    plain = _wavernn if isinstance(model, WaveRNN) else _wavenet
    return plain(model, conditions, draws, temperature)


def _wavernn(model: WaveRNN, conditions: Tensor, draws: Tensor, temperature: float) -> Tensor:
    mel, aux1, aux2, aux3, aux4 = (part.unbind(1) for part in model._split(conditions))
    gru1 = _cell(model.rnn1)
    gru2 = _cell(model.rnn2)
    rows = len(conditions)
    hidden1 = conditions.new_zeros(rows, model.rnn1.hidden_size)
    hidden2 = torch.zeros_like(hidden1)
    sample = conditions.new_zeros(rows)
    samples = []
    for t in range(conditions.shape[1]):
        x = torch.cat([sample[:, None], mel[t], aux1[t]], 1)
        x = model.I(x)
        hidden1 = gru1(x, hidden1)
        x = x + hidden1
        hidden2 = gru2(torch.cat([x, aux2[t]], 1), hidden2)
        x = x + hidden2
        x = torch.cat([x, aux3[t]], 1)
        x = F.relu(model.fc1(x))
        x = torch.cat([x, aux4[t]], 1)
        x = F.relu(model.fc2(x))
        y = model.fc3(x)
        sample = model.output.sample(y, draws[t], temperature)
        samples.append(sample)
    return torch.stack(samples, 1)


def _cell(gru: torch.nn.GRU) -> torch.nn.GRUCell:
    cell = torch.nn.GRUCell(gru.input_size, gru.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in gru.state_dict().items()})
    return cell.to(gru.weight_ih_l0.device)


def _wavenet(model: WaveNet, conditions: Tensor, draws: Tensor, temperature: float) -> Tensor:
    field = model.receptive_field_samples
    conditions = conditions.transpose(1, 2)
    device = conditions.device
    values = torch.full((len(conditions), 1), model.silence, device=device)
    speaker = None
    if model.speaker_channels:
        speaker = torch.zeros(1, dtype=torch.long, device=device)
    for t in range(conditions.shape[2]):
        begin = max(0, t + 1 - field)
        inputs = model.encode(values[:, begin:])
        y = model.predict(inputs, conditions[:, :, begin : t + 1], speaker)[..., -1]
        value = model.output.sample(y, draws[t], temperature)
        values = torch.cat([values, value[:, None]], 1)
    return values[:, 1:]


def autoregressive(seconds: float = 10.0) -> list[dict[str, Any]]:
    """Both networks at their published sizes on one core: plain, compiled, and ten seconds in folds of a quarter of one."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = {"n_mel": 80, "sample_rate": 22050}
    networks = {
        "WaveRNN (4.5 M)": (WaveRNN(**sizes, hop_size=275), 300, "8"),
        "WaveNet (3.7 M)": (WaveNet(**sizes, hop_size=256), 30, "50"),
    }
    rows = []
    for name, (model, plain_samples, target) in networks.items():
        model.eval().prepared()
        samples = round(seconds * 22050)
        mel = torch.randn(1, -(-samples // model.hop_size), 80)
        plain = best(lambda m=model, x=mel, n=plain_samples: generate_plain(m, x, samples=n), 2) / plain_samples
        if isinstance(model, WaveNet):
            plain = _whole_field(model, mel, best)
        one = best(lambda m=model, x=mel: _compiled(m, x, 2000), 2) / 2000
        folds = {"fold_seconds": 0.25, "overlap_seconds": 0.025}
        folded = best(lambda m=model, x=mel, how=folds: generate(m, x, **how), 1) / samples
        rows += [
            row(f"{name}: plain loop", 1 / plain, "samples/s"),
            row(f"{name}: compiled loop", 1 / one, "samples/s"),
            row(f"{name}: compiled loop in folds", 1 / folded, "samples/s"),
            row(f"{name}: compiled against plain", plain / one, "times", target="" if target == "8" else f"{target} or more"),
            row(f"{name}: in folds against plain", plain / folded, "times", target=f"{target} or more"),
        ]
    return rows


def _compiled(model: WaveRNN | WaveNet, mel: Tensor, samples: int) -> np.ndarray:
    return run(model, mel, [0], samples, drawer(model.output, len(mel), 0), model.loop(len(mel), 1.0))


@torch.inference_mode()
def _whole_field(model: WaveNet, mel: Tensor, best: Any) -> float:
    """Seconds of one sample of the plain loop once its receptive field is full; the first samples of a sound cost less."""
    field = model.receptive_field_samples
    begin = torch.zeros(1, dtype=torch.long)
    conditions = condition(model, mel, begin, begin, field).transpose(1, 2)
    inputs = model.encode(torch.zeros(1, field))
    draws = torch.full((1, model.output.draws), 0.5)

    def sample() -> Tensor:
        y = model.predict(inputs, conditions)[..., -1]
        return model.output.sample(y, draws)

    return best(sample, 8)
