"""Amphion's AudioLDM: a run with args.json and checkpoints/step-*.pt; its autoencoder is a run beside it, and so may be the vocoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.upstream.audioldm_maps import Parts, read_parts, within
from models.upstream.autoencoder_maps import AMPHION_HOP, AMPHION_MEL
from models.upstream.common import Card, State, numbers_of, strip
from models.upstream.unet_maps import from_original
from utils.files import read_weights

UNET = "unet."
TEXT_ENCODER = "t5-base"
SAMPLING = {"sampler": "pndm", "walk": "diffusers"}
AUTOENCODERS = "autoencoder_kl*"  # a folder, beside the run
VOCODERS = "hifigan*"
NOISE = {"num_train_timesteps": "steps", "beta_start": "beta_start", "beta_end": "beta_end", "beta_schedule": "schedule"}
CRITERION = "criterion."  # the loss of the autoencoder, which is kept with it


def read_amphion(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """Raises ValueError where the autoencoder is not beside it."""
    sections = config["model"]
    schedule = sections.get("noise_scheduler", {})
    run = config_path.parent
    autoencoder = autoencoder_beside(run, sections.get("autoencoder_path"))
    levels = len(sections["autoencoderkl"]["ch_mult"])
    n_mel = config["preprocess"].get("n_mel", AMPHION_MEL["n_mel"])
    parts = Parts(
        unet=from_original(sections["audioldm"], within(UNET, state)),
        mel=AMPHION_MEL | {"n_mel": n_mel},
        hop_size=config["preprocess"].get("hop_size", AMPHION_HOP),
        height="frequency",
        text_encoder=TEXT_ENCODER,
        noise={ours: schedule[theirs] for theirs, ours in NOISE.items() if theirs in schedule},
        sampling=SAMPLING,
        bins=n_mel // 2 ** (levels - 1),
        sees_padding=True,
        autoencoder=autoencoder,
    )
    card, weights = read_parts(parts)
    vocoders = sorted(run.parent.glob(VOCODERS))
    if vocoders:
        card["vocoder"] = str(vocoders[0])
    return card, weights


def autoencoder_beside(run: Path, named: Any) -> State:
    """The weights of the autoencoder: the file that the configuration names, or the furthest of a run beside. Raises ValueError for none."""
    files = list(_files(run, named))
    if not files:
        place = run.parent / AUTOENCODERS / "checkpoints"
        raise ValueError(f"{run}: its autoencoder is not beside it: put its run there, as {place}/step-*.pt.")
    newest = max(files, key=lambda file: numbers_of(file.name))
    state = strip(read_weights(newest), "model")
    return {key: value for key, value in state.items() if not key.startswith(CRITERION)}


def _files(run: Path, named: Any) -> Iterator[Path]:
    """The file that is named, where it exists; else every step of the runs beside."""
    path = Path(str(named or "-"))
    if path.is_file():
        yield path
        return
    for folder in sorted(run.parent.glob(AUTOENCODERS)):
        yield from folder.rglob("*.pt")
