"""Adversarial training: one discriminator step and one generator step per batch, for vocoders, VITS and codecs alike."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from models import MODELS
from models.base.adversarial import AdversarialForm, FeatureForm, discriminator_loss, feature_loss, generator_loss
from models.base.balancer import AdaptiveWeight, Balancer, adaptive_weight
from models.base.discriminators import Discriminators, discriminator_problems
from models.base.experiment import Experiment
from models.base.model import Model
from models.base.settings import Optimizer, TrainConfig
from models.base.trainer import Trainer
from utils.registry import load_object


@dataclass(frozen=True)
class GANConfig(TrainConfig):
    """The section `train` of a model with a discriminator; the discriminator's optimizer is the model's unless set."""

    optimizer: Optimizer = field(default_factory=lambda: Optimizer(betas=(0.8, 0.99)))
    discriminator_optimizer: Optimizer | None = None
    adversarial_from: int = 0  # updates before the discriminator comes in
    adversarial_loss: AdversarialForm = "least_squares"  # HiFi-GAN's, MelGAN's
    feature_loss: FeatureForm = "sum"  # over layers and parts: HiFi-GAN's, MelGAN's
    balance_decay: float | None = None  # EnCodec's 0.999: loss_weights are shares of the gradient that reaches the sound; None: of the loss
    adaptive_weight: AdaptiveWeight | None = None  # VQGAN's: of the adversarial loss beside that of reconstruction; None: as it is


class GANTrainer(Trainer):
    """Trains a model whose `forward` returns `real` and `fake`, sounds (batch, 1, samples) or planes, beside its own losses.

    With `accumulate` above 1 the result differs from one large batch in principle: the generator's early
    batches meet the discriminator before its update.
    """

    config_class = GANConfig
    added_losses = ("adversarial", "feature")

    def __init__(self, experiment: Experiment, name: str) -> None:
        super().__init__(experiment, name)
        decay = self.config.balance_decay
        self.balancer = None if decay is None else Balancer(decay)

    @property
    def extra_state(self) -> dict[str, Any]:
        return {} if self.balancer is None else {"balancer": self.balancer.state}

    def restore_extra(self, state: dict[str, Any]) -> None:
        if self.balancer is not None:
            self.balancer.state = dict(state.get("balancer", {}))

    def extra_networks(self) -> dict[str, nn.Module]:
        facts = {"sample_rate": self.experiment.preprocess.sample_rate}
        return {"discriminator": Discriminators(self.experiment.sections.discriminator, facts)}

    @classmethod
    def problems(cls, config: dict[str, Any]) -> list[str]:
        section = config.get("train", {})
        problems = cls.train_problems(config) + discriminator_problems(config.get("discriminator", {}))
        decay = section.get("balance_decay")
        if isinstance(decay, int | float) and not 0 <= decay < 1:
            problems.append(f"train.balance_decay: 0 or more and less than 1 is needed, got {decay}")
        for setting in ("compile", "find_unused_parameters"):
            if decay is not None and section.get(setting):
                problems.append(f"train.{setting}: hides from which losses the sound is pulled: leave out it or train.balance_decay")
        name = config.get("model_type")
        if section.get("adaptive_weight") is not None and load_object(MODELS[name].model).last_layer is Model.last_layer:
            problems.append(f"train.adaptive_weight: {name} names no last layer to weigh losses by: leave it out")
        return problems

    def optimizer_of(self, key: str) -> Optimizer:
        other = self.config.discriminator_optimizer
        return other if key == "discriminator" and other else self.stage.optimizer

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        losses = self.networks["model"](batch)
        real = losses.pop("real", None)  # a stage may be trained without
        fake = losses.pop("fake", None)
        if fake is None or self.progress.step < self.config.adversarial_from:
            self.update("model", self._minimised(losses, fake))
            return losses
        detached = fake.detach()
        scores_real, scores_fake, *_ = self.networks["discriminator"](real, detached)
        against = discriminator_loss(scores_real, scores_fake, self.config.adversarial_loss)
        self.update("discriminator", against)
        # Past DDP on purpose: nothing of the discriminator is to be trained or shared here.
        with frozen(self.unwrap("discriminator")) as judge:
            _, scores_fake, *features = judge(real, fake)
            losses["adversarial"] = self._weighed(losses, generator_loss(scores_fake, self.config.adversarial_loss))
            losses["feature"] = feature_loss(*features, self.config.feature_loss)
        self.update("model", self._minimised(losses, fake))
        return {**losses, "discriminator": against.detach()}

    def _minimised(self, losses: dict[str, Tensor], fake: Tensor | None) -> Tensor:
        """The weighted sum of the losses; or, where they are balanced, what pulls as they together shall."""
        if self.balancer is None or fake is None:
            return self.total(losses)
        weights = self.stage.loss_weights
        shared = self._mean_over_processes
        scalars = {name: value for name, value in losses.items() if value.ndim == 0}
        return self.balancer(scalars, weights, fake, shared)

    def _weighed(self, losses: dict[str, Tensor], adversarial: Tensor) -> Tensor:
        """The adversarial loss, times the weight that the other losses ask for where that is wished."""
        how = self.config.adaptive_weight
        if how is None:
            return adversarial
        layer = self.unwrap("model").last_layer
        weight = adaptive_weight(losses, adversarial, layer, how, self._mean_over_processes)
        self.watch.note("adversarial_weight", weight)
        return weight * adversarial

    def _mean_over_processes(self, value: Tensor) -> Tensor:
        return self.accelerator.reduce(value, "mean")

    def evaluate(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Only the model's own losses: the adversarial ones measure the discriminator as much as the model."""
        return {name: value for name, value in model(batch).items() if name not in ("real", "fake")}


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[nn.Module]:
    """`network` without gradients of its own: they pass through it, none stays in it."""
    before = [p.requires_grad for p in network.parameters()]
    network.requires_grad_(False)
    try:
        yield network
    finally:
        for parameter, wanted in zip(network.parameters(), before, strict=True):
            parameter.requires_grad_(wanted)
