"""descriptinc's MelGAN: a best_netG.pt next to the args.yml of its training. Amphion's generator has the same names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, strip, tuple_of
from modules.norm import modern_keys
from utils.documents import read_yaml, safe_loader
from utils.files import read_weights

BESIDE = "args.yml"

RATIOS = (8, 8, 2, 2)  # not in the configuration: the program knows no others
PARTS = (  # inside a residual layer, theirs and ours
    (r"block\.2", "dilated"),
    (r"block\.4", "mixed"),
    ("shortcut", "shortcut"),
)


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    return {"n_mel_channels", "ngf", "n_residual_layers"} <= read_arguments(config).keys()


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "MelGAN"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A best_netG.pt, next to its args.yml."""
    file = path / "best_netG.pt" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"{path} holds MelGAN's args.yml, but no best_netG.pt.")
    a = read_arguments(config_path)
    section = {"ratios": a.get("ratios", RATIOS), "ngf": a["ngf"], "n_residual_layers": a["n_residual_layers"]}
    arguments, state = melgan(section, strip(read_weights(file)))
    rate = a.get("sampling_rate", 22050)
    our_card = melgan_card(arguments, a["n_mel_channels"], rate)
    return our_card, state


def melgan_card(arguments: dict[str, Any], n_mel: int, rate: int = 22050) -> Card:
    """The card of a network of this program, whose mel has one size: 1024 samples every 256, up to half the rate."""
    mel = {"n_fft": 1024, "win_size": 1024, "n_mel": n_mel, "fmin": 0, "convention": "melgan"}
    return card("MelGAN", rate, 256, {"audio": {}, "mel": mel}, arguments, {"n_mel": n_mel})


def melgan(section: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """Our constructor's arguments, and the state under our names; the section names its settings as Amphion does."""
    ratios, layers = tuple_of(section["ratios"]), section["n_residual_layers"]
    arguments = {"ratios": ratios, "ngf": section["ngf"], "n_residual_layers": layers}
    return arguments, {_ours(key, len(ratios), layers): value for key, value in modern_keys(state).items()}


def _ours(key: str, stages: int, layers: int) -> str:
    """`model.<place>...` of one long list: an activation, an upsampling and the residual layers, for each stage."""
    match = re.fullmatch(r"model\.(\d+)\.(.+)", key)
    if not match:
        return key
    place = int(match[1])
    rest = match[2]
    if place == 1:
        return f"conv_pre.{rest}"
    stage, inside = divmod(place - 2, layers + 2)
    if stage == stages and inside == 2:
        return f"conv_post.{rest}"
    if stage < stages and inside == 1:
        return f"ups.{stage}.{rest}"
    for theirs, ours in PARTS:
        if stage < stages and inside > 1 and re.match(rf"{theirs}\.", rest):
            return f"blocks.{stage}.{inside - 2}.{ours}." + re.sub(rf"^{theirs}\.", "", rest)
    return key  # unknown, and will be named as such


def amphion_melgan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `melgan` of Amphion's GAN vocoders."""
    return melgan(config["model"]["melgan"], state)


def read_arguments(path: Path) -> dict[str, Any]:
    """A dumped argparse namespace, without making the Python objects that it names."""
    import yaml

    class Plain(safe_loader()):
        pass

    def plain(loader: Any, _: str, node: Any) -> Any:
        kinds = {yaml.MappingNode: loader.construct_mapping, yaml.SequenceNode: loader.construct_sequence}
        return kinds.get(type(node), loader.construct_scalar)(node)

    Plain.add_multi_constructor("tag:yaml.org,2002:python/", plain)
    return read_yaml(path, Plain)
