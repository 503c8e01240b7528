"""The autoencoders of Amphion's text to audio: checkpoints/step-*.pt, published without the configuration that they were trained with.

Their vocoder, hifigan_checkpoints of the same release, makes sound of what they decode where it lies beside or above them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.autoencoder_maps import AMPHION_HOP, AMPHION_MEL, RATE, bands_of, sizes_of
from models.upstream.common import Card, State, card, mel_section, names_hold, newest_step, strip
from utils.files import read_json, read_weights

BESIDE = "*.pt"
MARKS = (b"encoder.down.0.block.0.norm1.weight", b"post_quant_conv.weight")
CRITERION = "criterion."
VOCODER = "hifigan_checkpoints"


def knows(weights: Path) -> bool:
    """Whether the names in the file are its."""
    return names_hold(weights, MARKS)


def makes(weights: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "AutoencoderKL"


def read(path: Path, weights: Path, model_type: str | None) -> tuple[Card, State]:
    """A file, or the furthest of a folder."""
    file = newest_step(path) if path.is_dir() else weights
    return autoencoder({}, strip(read_weights(file), "model"), file)


def autoencoder(config: dict[str, Any], state: State, beside: Path) -> tuple[Card, State]:
    """That of a folder of Amphion, whose args.json may be there; else of 16 kHz and 80 bands, as all that were published."""
    kept = {key: value for key, value in state.items() if not key.startswith(CRITERION)}
    sizes = sizes_of(kept)
    p = config.get("preprocess", {})
    given = mel_section(p, "hifigan")
    mel = AMPHION_MEL | given
    arguments = {"sizes": sizes, "height": "frequency"}
    loss = config.get("model", {}).get("loss", {})
    if loss.get("logvar_init"):
        arguments["logvar"] = loss["logvar_init"]
    rate = p.get("sample_rate", RATE)
    hop_size = p.get("hop_size", AMPHION_HOP)
    facts = {"n_mel": bands_of(mel, sizes)}
    our_card = card("AutoencoderKL", rate, hop_size, {"mel": mel}, arguments, facts)
    vocoder = _vocoder(beside)
    return (our_card | {"vocoder": str(vocoder)} if vocoder else our_card), kept


def _vocoder(beside: Path) -> Path | None:
    """The folder of the vocoder, where it is one of the release's."""
    folders = [parent / VOCODER for parent in list(beside.absolute().parents)[:4]]
    present = [folder for folder in folders if (folder / "config.json").is_file()]
    usable = [folder for folder in present if "upsample_rates" in read_json(folder / "config.json", dict[str, Any])]
    return usable[0] if usable else None
