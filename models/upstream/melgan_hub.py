"""The weights of MelGAN that were published without a configuration beside them, known by their names."""

from __future__ import annotations

import re
from pathlib import Path

from models.upstream.common import Card, State, strip
from models.upstream.descriptinc import RATIOS, melgan, melgan_card
from models.upstream.seungwonpark import melgan_of
from utils.documents import parse_yaml
from utils.files import read_weights

BESIDE = "[lmn]*_*[a-z0-9].pt"  # linda_johnson.pt, multi_speaker.pt, nvidia_tacotron2_LJ11_epoch6400.pt

PARK = re.compile(r"nvidia_tacotron2_LJ11_epoch\d+")
NAMES = ("linda_johnson", "multi_speaker")


def knows(config: Path) -> bool:
    """Whether this file is one of them."""
    return config.stem in NAMES or PARK.fullmatch(config.stem) is not None


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "MelGAN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """The file itself, or the one in the folder."""
    file = path if path.is_file() else config_path
    checkpoint = read_weights(file)
    if not PARK.fullmatch(config_path.stem):
        section = {"ratios": RATIOS, "ngf": 32, "n_residual_layers": 3}
        arguments, state = melgan(section, strip(checkpoint))
        return melgan_card(arguments, n_mel=80), state
    # The program keeps the text of its configuration beside the weights.
    return melgan_of(parse_yaml(checkpoint["hp_str"], f"{file}: hp_str"), checkpoint)
