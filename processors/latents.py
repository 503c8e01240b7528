"""Latents of an autoencoder of mels as a feature: what diffusions of sound learn in place of a spectrum.

    preprocess: { sample_rate: 16000, hop_size: 1280, features: { latent: { model: "ckpts/tta/small" } } }

Where the model's frames are as many a second as the latents (here 8 frames of 160 samples each), they are the same frames, one for one; else
the latents have a clock of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from preprocessors.base import Utterance
from processors.trained import LOAD, TrainedFeature
from utils.audio import Audio
from utils.pretrained import Source
from utils.registry import load_object

TASK = "models.tta.autoencoding:MelAutoencoder"
SOURCE = Source(
    "autoencoder",
    "a release, run or checkpoint of an AutoencoderKL, or one of another program",
    setting="preprocess.features.latent.model",
)


@dataclass(kw_only=True, eq=False)
class MelLatents(TrainedFeature):
    """The moments of the posterior (frames, 2 * channels, bins), means and then log variances; float16 as they are kept.

    `model`: where the autoencoder lies; "" looks in the folder AMPHION_MODELS. Statistics over the training utterances, which a model asks
    for by `statistics_of`, tell how far the latents spread.
    """

    source: ClassVar[Source] = SOURCE
    dimensions: ClassVar[int] = 3
    rounded_to: ClassVar[str] = "float16"
    gives: ClassVar[tuple[str, ...]] = ("latent_channels", "latent_bins")

    @classmethod
    def loaded(cls, place: str, device: str) -> Any:
        return autoencoder_at(place, device)

    @classmethod
    def forget(cls) -> None:
        autoencoder_at.cache_clear()

    def sizes(self, task: Any) -> dict[str, Any]:
        hop_size = task.hop_size * task.model.factor
        return {"hop_size": hop_size, "latent_channels": task.model.channels, "latent_bins": task.model.bins}

    def check_frames(self) -> None:
        """Raises ValueError where a frame of the model's is not one of the latents."""
        if self.clock is not None:
            own = self.known["hop_size"] * self.sample_rate / self.known["rate"]
            raise ValueError(
                f"latent: the autoencoder has a latent for each {own:g} samples, and preprocess.hop_size is {self.hop_size}: "
                f"set preprocess.hop_size to {own:g}."
            )

    def compute(self, utterances: Sequence[Utterance], audios: Sequence[Audio], device: str) -> list[np.ndarray]:
        autoencoder = self.autoencoder(device)
        return [latents.moments for latents in autoencoder.batch(audios)]

    def autoencoder(self, device: str) -> Any:
        """The autoencoder itself, a `models.tta.autoencoding.MelAutoencoder`; see `coder`."""
        return self.coder(device)


@functools.lru_cache(maxsize=2)
def autoencoder_at(place: str, device: str) -> Any:
    """The autoencoder that lies there, loaded once in a process. Raises ValueError for what is none."""
    import torch

    with torch.random.fork_rng(devices=[]):  # a network that is built draws weights: a training must begin alike, whether it is loaded or not
        autoencoder = load_object(LOAD)(place, device=device)
    if not isinstance(autoencoder, load_object(TASK)):
        raise ValueError(f"autoencoder: {place} is a {autoencoder.name}, which codes no mels: {SOURCE.what} is needed.")
    return autoencoder
