"""Two models small enough to train in a second, registered like any other; run as a program, it is bins.train for them."""

from __future__ import annotations

import os
import signal

import torch
from torch import Tensor, nn

from models import ADVERSARIAL, MODELS, SUPERVISED, VOCODER, Spec
from models.base.model import Model


class Toy(Model):
    """Predicts the next mel frame; dropout and batch norm, so that random state and buffers matter."""

    reads = ("mel",)

    def __init__(self, *, n_mel: int, hidden: int = 16, dropout: float = 0.0, poison: bool = False) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_mel, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_mel))
        self.poison, self.calls = poison, 0

    def forward(self, batch: dict) -> dict[str, Tensor]:
        mel = batch["mel"]
        self.calls += 1
        factor = float("nan") if self.poison and self.calls == 3 else 1.0
        # The moment a test chooses for its kill: in the middle of a step, in the middle of an epoch.
        if os.environ.get("TOY_KILL_AT") == str(self.calls):
            os.killpg(0, getattr(signal, os.environ.get("TOY_SIGNAL", "SIGKILL")))  # workers too, as a scheduler would
        return {"next": (self.net(mel[:, :-1]) - mel[:, 1:]).abs().mean() * factor}

    def infer(self, mel: Tensor) -> Tensor:
        return torch.zeros(len(mel), mel.shape[1] * 256)


class ToyGAN(Model):
    """One linear layer from mel to sound."""

    reads = ("mel", "audio")

    def __init__(self, *, n_mel: int, hop_size: int) -> None:
        super().__init__()
        self.net = nn.Linear(n_mel, hop_size)

    def forward(self, batch: dict) -> dict[str, Tensor]:
        real = batch["audio"][:, None]
        fake = torch.tanh(self.net(batch["mel"] / 10)).flatten(1)[:, None]
        return {"wave": (real - fake).abs().mean(), "real": real, "fake": fake}

    def infer(self, mel: Tensor) -> Tensor:
        return torch.tanh(self.net(mel / 10)).flatten(1)


MODELS["Toy"] = Spec(VOCODER, "tests.toy:Toy", SUPERVISED)
MODELS["ToyGAN"] = Spec(VOCODER, "tests.toy:ToyGAN", ADVERSARIAL)

if __name__ == "__main__":
    import tests.toy  # noqa: F401 (the table must name tests.toy, not __main__)
    from bins.cli import run
    from bins.train import main

    run(main)
