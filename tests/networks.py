"""What tests of networks share: weights away from their start, how far a frame reaches, what a foreign folder says."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from models import load
from models.base.model import Model


def stirred(model, size: float = 0.1, *, but: str = "-"):
    """`model` in eval mode, with weights unlike those that it begins with, statistics of batch norms too.

    Parameters with `but` in their names stay.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if but not in name:
                parameter.add_(size * torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.running_mean.add_(size * torch.randn_like(module.running_mean))
                module.running_var.add_(size * torch.rand_like(module.running_var))
    return model.eval()


def mel_of(frames: int, n_mel: int) -> np.ndarray:
    """Some mel, float32 (frames, n_mel): the same each time."""
    return np.random.default_rng(0).standard_normal((frames, n_mel)).astype(np.float32)


def says(path, mel: np.ndarray, **options) -> np.ndarray:
    """What the vocoder in a file or folder makes of a mel (frames, n_mel): (samples,)."""
    return load(path, device="cpu")(mel, **options).samples


def expected(model: Model, mel: np.ndarray, **options) -> np.ndarray:
    """The same of a model at hand."""
    return model.infer(torch.from_numpy(mel)[None], **options)[0].numpy()


def changed_frames(before: Tensor, after: Tensor, hop: int) -> Tensor:
    """The frames of `hop` samples in which two batches of sounds (batch, samples) differ at all."""
    different = (before != after).any(0)
    return different.nonzero()[:, 0] // hop


def reached(model: Model, n_mel: int, dtype: torch.dtype = torch.float32) -> int:
    """How many frames away, at most, a changed frame changes the sound of a model that reads mels alone.

    Several changes at once: where windows end, one may be lost in rounding. In double precision a faint influence counts too.
    """
    middle = 2 * model.receptive_field_frames
    mel = torch.randn(1, 2 * middle, n_mel, dtype=dtype).repeat(8, 1, 1)
    other = mel.clone()
    other[:, middle] += 3 * torch.randn(8, n_mel)
    model = copy.deepcopy(model).to(dtype)
    before = model.infer(mel)
    changed = changed_frames(before, model.infer(other), before.shape[1] // mel.shape[1])
    return int((changed - middle).abs().max())


def batch_of(frames: list[int], hop: int, n_mel: int = 5, pad: int = 0) -> dict[str, Tensor]:
    """Utterances of those lengths in frames; beyond their ends, and `pad` frames longer, lies what must not matter."""
    random = torch.Generator().manual_seed(1)
    count = len(frames)
    longest = max(frames) + pad
    mel = torch.full((count, longest, n_mel), -7.0)
    audio = torch.zeros(count, longest * hop)
    for i, f in enumerate(frames):
        samples = f * hop
        mel[i, :f] = torch.randn(f, n_mel, generator=random)
        noise = torch.randn(samples, generator=random)
        audio[i, :samples] = 0.3 * noise
    lengths = torch.tensor(frames)
    return {"mel": mel, "audio": audio, "frames": lengths, "samples": lengths * hop}


def reaches(model: Model, n_mel: int) -> None:
    """A frame has a say as far as the model says, to a frame; what lies further away may as well not be there."""
    reach = model.receptive_field_frames
    furthest = reached(model, n_mel)
    assert furthest <= reach <= furthest + 1
    mel = torch.randn(1, 4 * reach, n_mel)
    around = mel[:, reach : 3 * reach + 1]
    whole = model.infer(mel)
    part = model.infer(around)
    hop = whole.shape[1] // mel.shape[1]
    middle = 2 * reach * hop
    first = reach * hop
    wanted = whole[:, middle : middle + hop]
    torch.testing.assert_close(part[:, first : first + hop], wanted, rtol=1e-4, atol=1e-5)


def exported_without_complex_numbers(model: Model, n_mel: int) -> None:
    """As a program of torch.export `decode` has no complex number and no Fourier transform, and gives the same."""
    model.forward = model.decode
    frames = torch.export.Dim("frames", min=8, max=4000)
    mel = torch.randn(1, n_mel, 30)
    program = torch.export.export(model, (mel,), dynamic_shapes=({2: frames},))
    nodes = program.graph.nodes
    found = [str(node.target) for node in nodes]
    found += [str(node.meta.get("val")) for node in nodes]
    assert not [name for name in found if "fft" in name or "complex" in name]
    for length in (30, 47):
        mel = torch.randn(1, n_mel, length)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(mel), model.decode(mel), rtol=1e-4, atol=1e-5)


def gan_folder(folder: Path, generator: str, sizes: dict, hop: int, state: dict) -> None:
    """A folder of Amphion's GAN vocoders for a generator of 20 bands."""
    p = {"n_mel": 20, "sample_rate": 24000, "hop_size": hop, "n_fft": 1024, "win_size": 1024, "fmax": 12000}
    config = {"model_type": "GANVocoder", "preprocess": p, "model": {"generator": generator, generator: sizes}}
    (folder / "args.json").write_text(json.dumps(config))
    torch.save(state, folder / "400000.pt")


def losses_of(model: Model, batch: dict, updates: int, rate: float, *, anew: bool = False) -> list[float]:
    """The losses of so many updates on one batch, the sum of their parts each. What is drawn is the same each time, so that they fall by
    what is learnt alone; or drawn `anew`."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], rate)
    losses = []
    for _ in range(updates):
        if not anew:
            torch.manual_seed(1)
        loss = sum(value for value in model(batch).values() if value.ndim == 0)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def tones() -> dict[str, Tensor]:
    """A batch of loud and soft tones of 8 frames, 16 samples each, and mels of 5 bands that say which."""
    loud = torch.linspace(0.05, 0.8, 6)[:, None]
    periods = torch.linspace(2, 5, 6)[:, None]
    audio = loud * torch.sin(torch.arange(8 * 16) / periods)
    lengths = {"frames": torch.full((6,), 8), "samples": torch.full((6,), 128)}
    return {"mel": loud[..., None].log().expand(6, 8, 5), "audio": audio, **lengths}
