"""The discriminators of adversarial training: a table, and any set of them side by side behind one call.

Each takes real and fake (batch, 1, samples), "patch" planes (batch, 1, height, width), and answers
(scores_real, scores_fake, features_real, features_fake):
a list with one score tensor per part, and a list with one list of feature maps per part.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from modules.discriminators.cqt import MultiScaleSubBandCQTDiscriminator
from modules.discriminators.parts import Judgement
from modules.discriminators.patch import PatchDiscriminator
from modules.discriminators.spectrum import (
    MultiBandDiscriminator,
    MultiResolutionDiscriminator,
    MultiScaleSTFTDiscriminator,
)
from modules.discriminators.vits import VITSDiscriminator
from modules.discriminators.wave import MelGANDiscriminator, MultiPeriodDiscriminator, MultiScaleDiscriminator
from utils.config import build, check
from utils.registry import nearest

DISCRIMINATORS = {
    "mpd": MultiPeriodDiscriminator,
    "msd": MultiScaleDiscriminator,
    "melgan": MelGANDiscriminator,
    "mrd": MultiResolutionDiscriminator,
    "msstftd": MultiScaleSTFTDiscriminator,
    "mssbcqtd": MultiScaleSubBandCQTDiscriminator,
    "mbd": MultiBandDiscriminator,
    "vits": VITSDiscriminator,
    "patch": PatchDiscriminator,
}
FACTS = ("sample_rate",)  # what a discriminator's constructor may ask for by name


class Discriminators(nn.Module):
    """The discriminators that a config section names, their answers joined in that order.

    `section`: name -> constructor arguments, such as {"mpd": {}, "msd": {}}; `facts` are given to those that ask for
    them. Raises ValueError for what does not fit.
    """

    def __init__(self, section: dict[str, dict[str, Any]], facts: dict[str, Any] | None = None) -> None:
        super().__init__()
        facts = facts or {}
        facts = {name: facts[name] for name in FACTS if name in facts}
        problems = discriminator_problems(section, facts)
        if problems:
            raise ValueError("\n".join(problems))
        self.parts = nn.ModuleDict()
        for name, settings in section.items():
            self.parts[name] = build(DISCRIMINATORS[name], settings, facts)

    def forward(self, real: Tensor, fake: Tensor) -> Judgement:
        joined: Judgement = ([], [], [], [])
        for part in self.parts.values():
            answer = part(real, fake)
            for whole, piece in zip(joined, answer, strict=True):
                whole += piece
        return joined


def discriminator_problems(section: Any, facts: Any = FACTS) -> list[str]:
    """Everything wrong with the config section `discriminator`, one line each."""
    if not isinstance(section, dict) or not section:
        choices = ", ".join(DISCRIMINATORS)
        return [f'discriminator: name at least one, such as {{"mpd": {{}}}}. Choices: {choices}']
    problems = []
    for name, settings in section.items():
        if name in DISCRIMINATORS:
            problems += check(DISCRIMINATORS[name], settings, f"discriminator.{name}", facts)
        else:
            problems.append(f"discriminator.{name}: " + nearest(name, DISCRIMINATORS, "discriminator"))
    return problems
