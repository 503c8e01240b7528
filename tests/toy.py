"""Models small enough to train in a second, registered like any other; run as a program, it is bins.train for them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch
from torch import Tensor, nn

from models import ADVERSARIAL, MODELS, SUPERVISED, VOCODER, Spec
from models.base.frozen import Frozen
from models.base.model import Model


class Silent(Model):
    """Reads mels, and says nothing: what its training makes of it is all that matters."""

    reads = ("mel",)

    def infer(self, mel: Tensor) -> Tensor:
        return torch.zeros(len(mel), mel.shape[1] * 256)


class Toy(Silent):
    """Predicts the next mel frame; dropout and batch norm, so that random state and buffers matter."""

    def __init__(self, *, n_mel: int, hidden: int = 16, dropout: float = 0.0, poison: bool = False) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_mel, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_mel))
        self.poison = poison

    def forward(self, batch: dict) -> dict[str, Tensor]:
        mel = batch["mel"]
        kill_if_asked(self)
        factor = float("nan") if self.poison and self.calls == 3 else 1.0
        return {"next": (self.net(mel[:, :-1]) - mel[:, 1:]).abs().mean() * factor}


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


class ToyBranches(Silent):
    """Each speaker's frames go through a branch of their own, so that a small batch does not use them all."""

    uses_all_parameters = False

    def __init__(self, *, n_mel: int, n_branches: int = 2) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(n_mel, n_mel) for _ in range(n_branches))

    def predict(self, batch: dict) -> Tensor:
        rows = zip(batch["mel"], batch["speaker"].tolist(), strict=True)
        return torch.stack([self.branches[number % len(self.branches)](mel) for mel, number in rows])

    def forward(self, batch: dict) -> dict[str, Tensor]:
        kill_if_asked(self)
        return {"next": (self.predict(batch)[:, :-1] - batch["mel"][:, 1:]).abs().mean()}


class ToyGANBranches(ToyBranches):
    """The same with sound, against a discriminator."""

    reads = ("mel", "audio")

    def __init__(self, *, n_mel: int, hop_size: int) -> None:
        super().__init__(n_mel=n_mel)
        self.out = nn.Linear(n_mel, hop_size)

    def forward(self, batch: dict) -> dict[str, Tensor]:
        real = batch["audio"][:, None]
        fake = torch.tanh(self.out(self.predict(batch) / 10)).flatten(1)[:, None]
        return {"wave": (real - fake).abs().mean(), "real": real, "fake": fake}


class ToyTarget(Silent):
    """Its output is to agree with that of its own slow copy, too; a batch norm, so that the copy has buffers."""

    targets = {"net": 0.9}

    def __init__(self, *, n_mel: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_mel, n_mel), nn.BatchNorm1d(n_mel), nn.Dropout(dropout))

    def forward(self, batch: dict) -> dict[str, Tensor]:
        kill_if_asked(self)
        mel = batch["mel"]
        said = self.net(mel[:, :-1].flatten(0, 1))
        wanted = self.target("net")(mel[:, :-1].flatten(0, 1))
        if self.training and os.environ.get("TOY_DUMP"):
            file = Path(os.environ["TOY_DUMP"]) / f"{os.environ.get('RANK', 0)}-{self.calls}.pt"
            torch.save(self.target("net").state_dict(), file)
        return {"next": (said - mel[:, 1:].flatten(0, 1)).abs().mean(), "agree": (said - wanted).square().mean()}


class ToyStages(Silent):
    """An encoder and decoder, and then what predicts their code: trained one after the other."""


    def __init__(self, *, n_mel: int, hidden: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_mel, hidden), nn.BatchNorm1d(hidden), nn.Dropout(dropout))
        self.decoder = nn.Linear(hidden, n_mel)
        self.prior = nn.Sequential(nn.Linear(hidden, hidden), nn.Dropout(dropout))

    def forward(self, batch: dict) -> dict[str, Tensor]:
        kill_if_asked(self)
        frames = batch["mel"].flatten(0, 1)
        code = self.encoder(frames)
        if self.stage == "prior":
            return {"prior": (self.prior(code) - code.flip(-1)).square().mean()}
        return {"rebuilt": (self.decoder(code) - frames).abs().mean(), "size": code.square().mean()}


class ToyFloor(Silent):
    """All that a model may ask: content features of their own clock, chosen in its settings; a prompt; another model's code; a
    branch that is drawn; a slow copy; stages."""

    prompts = ("mel",)
    frozen = ("autoencoder",)
    targets = {"student": 0.9}
    uses_all_parameters = False

    @classmethod
    def features_of(cls, settings: dict) -> tuple[str, ...]:
        return ("mel", *settings.get("contents", ()))

    def __init__(
        self,
        *,
        n_mel: int,
        autoencoder: Frozen,
        content_channels: int = 0,
        half_channels: int = 0,
        contents: tuple[str, ...] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        size = autoencoder.card["model"]["hidden"]
        self.contents = contents
        self.condition = nn.Linear(content_channels + half_channels + n_mel, size)
        assert autoencoder.facts["n_mel"] == n_mel
        self.autoencoder = autoencoder
        self.branches = nn.ModuleList(nn.Linear(size, size) for _ in range(3))
        self.teacher = nn.Sequential(nn.Linear(size, size), nn.BatchNorm1d(size), nn.Dropout(dropout))
        self.student = nn.Sequential(nn.Linear(size, size), nn.Dropout(dropout))

    def forward(self, batch: dict) -> dict[str, Tensor]:
        kill_if_asked(self)
        with torch.no_grad():
            code = self.autoencoder.module.encoder(batch["mel"].flatten(0, 1))
        frames = batch["mel"].shape[1]
        assert all(batch[name].shape[1] == frames for name in self.contents)
        inside = torch.arange(batch["prompt_mel"].shape[1]) < batch["prompt_frames"][:, None]
        prompt = (batch["prompt_mel"] * inside[..., None]).sum(1, keepdim=True) / batch["prompt_frames"][:, None, None]
        features = [*(batch[name] for name in self.contents), prompt.expand(-1, frames, -1)]
        code = code + self.condition(torch.cat(features, -1)).flatten(0, 1)
        branch = int(torch.randint(len(self.branches), (1,)))
        wanted = self.teacher(self.branches[branch](code))
        if self.stage == "student":
            said = self.student(code)
            return {"agree": (said - wanted).square().mean(), "slow": (said - self.target("student")(code)).square().mean()}
        return {"rebuilt": (wanted - code).square().mean()}


def kill_if_asked(model: Model) -> None:
    """The moment a test chooses for its kill, counted in calls: in the middle of a step, in the middle of an epoch."""
    model.calls = getattr(model, "calls", 0) + 1
    if os.environ.get("TOY_KILL_AT") == str(model.calls):
        os.killpg(0, getattr(signal, os.environ.get("TOY_SIGNAL", "SIGKILL")))  # workers too, as a scheduler would


for supervised in (Toy, ToyBranches, ToyTarget, ToyStages, ToyFloor):
    MODELS[supervised.__name__] = Spec(VOCODER, f"tests.toy:{supervised.__name__}", SUPERVISED)
for adversarial in (ToyGAN, ToyGANBranches):
    MODELS[adversarial.__name__] = Spec(VOCODER, f"tests.toy:{adversarial.__name__}", ADVERSARIAL)


def program() -> None:
    """bins.train as users start it."""
    import tests.toy_features  # noqa: F401 (registers the content features)
    from bins.cli import run
    from bins.train import main

    run(main)


if __name__ == "__main__":
    import tests.toy

    tests.toy.program()  # the table must name tests.toy, not __main__
