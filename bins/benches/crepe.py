"""The pitch network CREPE as we compute it, beside its package and beside torch's own convolutions with the same weights.

Ours stays for its speed; and since the package's decoders add random numbers to the pitch (findings/torchcrepe-random.sh).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bins.benches.measure import Row, one_core, row
from processors.crepe import BATCH, WINDOW, network


@torch.inference_mode()
def crepe() -> list[Row]:
    """One batch of frames on one core: the network alone, which takes nearly all of the time."""
    import torchcrepe

    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours = network("cpu")
    package = torchcrepe.infer.model
    frames = torch.randn(BATCH, WINDOW)
    seconds = one_core(lambda: ours(frames))
    plain_seconds = one_core(lambda: convolved(package, frames), 1)
    package_seconds = one_core(lambda: package(frames), 1)
    difference = (ours(frames) - package(frames)).abs().max().item()
    return [
        row("CREPE: ours", BATCH / seconds, "frames/s"),
        row("CREPE: ours against the package", package_seconds / seconds, "times", target="2 or more"),
        row("CREPE: ours against torch's convolutions", plain_seconds / seconds, "times", target="2 or more"),
        row("CREPE: largest difference from the package", difference, "salience", target="1e-5 or less"),
    ]


def convolved(package: nn.Module, frames: Tensor) -> Tensor:
    """The package's network in one-dimensional convolutions: (frames, 1024) to (frames, 360)."""
    x = F.pad(frames[:, None], (254, 254))
    for number in range(1, 7):
        conv = getattr(package, f"conv{number}")
        norm = getattr(package, f"conv{number}_BN")
        if number > 1:
            x = F.pad(x, (31, 32))
        kernel = conv.weight[..., 0]
        x = F.conv1d(x, kernel, conv.bias, stride=conv.stride[0])
        x = norm(F.relu(x)[..., None])[..., 0]
        x = F.max_pool1d(x, 2)
    flat = x.transpose(1, 2).reshape(len(x), -1)
    return torch.sigmoid(package.classifier(flat))
