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
    draws = torch.from_numpy(drawer(model.output, len(mel), seed)(samples)).to(mel.device)
    everyone = torch.arange(len(mel), device=mel.device)
    told = condition(model, mel, everyone, torch.zeros_like(everyone), samples)
    return (_wavernn if isinstance(model, WaveRNN) else _wavenet)(model, told, draws, temperature)


def _wavernn(model: WaveRNN, told: Tensor, draws: Tensor, temperature: float) -> Tensor:
    mel, aux1, aux2, aux3, aux4 = (part.unbind(1) for part in model._split(told))
    cells = [_cell(model.rnn1), _cell(model.rnn2)]
    size = model.rnn1.hidden_size
    x, h1, h2 = told.new_zeros(len(told)), told.new_zeros(len(told), size), told.new_zeros(len(told), size)
    out = []
    for t in range(told.shape[1]):
        hidden = model.I(torch.cat([x[:, None], mel[t], aux1[t]], 1))
        h1 = cells[0](hidden, h1)
        hidden = hidden + h1
        h2 = cells[1](torch.cat([hidden, aux2[t]], 1), h2)
        hidden = hidden + h2
        hidden = F.relu(model.fc1(torch.cat([hidden, aux3[t]], 1)))
        hidden = F.relu(model.fc2(torch.cat([hidden, aux4[t]], 1)))
        x = model.output.sample(model.fc3(hidden), draws[t], temperature)
        out.append(x)
    return torch.stack(out, 1)


def _cell(gru: torch.nn.GRU) -> torch.nn.GRUCell:
    cell = torch.nn.GRUCell(gru.input_size, gru.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in gru.state_dict().items()})
    return cell.to(gru.weight_ih_l0.device)


def _wavenet(model: WaveNet, told: Tensor, draws: Tensor, temperature: float) -> Tensor:
    field, told = model.receptive_field_samples, told.transpose(1, 2)
    values = torch.full((len(told), 1), model.silence, device=told.device)
    who = torch.zeros(1, dtype=torch.long, device=told.device) if model.speaker_channels else None
    for t in range(told.shape[2]):
        begin = max(0, t + 1 - field)
        y = model.predict(model.inputs(values[:, begin:]), told[:, :, begin : t + 1], who)[..., -1]
        values = torch.cat([values, model.output.sample(y, draws[t], temperature)[:, None]], 1)
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
        model.eval()
        if hasattr(model, "fold"):
            model.fold()
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
    told = condition(model, mel, begin, begin, field).transpose(1, 2)
    heard, draws = model.inputs(torch.zeros(1, field)), torch.full((1, model.output.draws), 0.5)
    return best(lambda: model.output.sample(model.predict(heard, told)[..., -1], draws), 8)
