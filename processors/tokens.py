"""Codes of a codec as a feature: what models of speech predict in place of a spectrum.

    preprocess: { sample_rate: 24000, hop_size: 320, features: { codec: { model: "ckpts/codec/paper", bandwidth: 6 } } }

Where the model's frames are as many a second as the codec's, they are the same frames, one for one; else the codes have a clock of their own.
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

TASK = "models.codec.task:Codec"
SOURCE = Source(
    "codec",
    "a release, run or checkpoint of a codec, or one of EnCodec's",
    hub="facebook/encodec_24khz",
    setting="preprocess.features.codec.model",
)


@dataclass(kw_only=True, eq=False)
class CodecTokens(TrainedFeature):
    """Codes (frames, codebooks), int16 as they are kept and int64 as a network reads them.

    `model`: where the codec lies; "" looks in the folder AMPHION_MODELS. `bandwidth`: kbit/s, None is all that it has. Raises ValueError
    for a codec that codes in chunks, whose frames overlap.
    """

    source: ClassVar[Source] = SOURCE
    kind: ClassVar[str] = "i"
    dimensions: ClassVar[int] = 2
    rounded_to: ClassVar[str] = "int16"
    gives: ClassVar[tuple[str, ...]] = ("codebooks", "codebook_size", "codec_channels")  # the last: how wide what a frame's codes stand for is

    bandwidth: float | None = None

    @classmethod
    def loaded(cls, place: str, device: str) -> Any:
        return codec_at(place, device)

    @classmethod
    def forget(cls) -> None:
        codec_at.cache_clear()

    def sizes(self, task: Any) -> dict[str, Any]:
        books = task.model.books(self.bandwidth)
        sizes = {"codebooks": books, "codebook_size": task.codebook_size, "codec_channels": task.latent}
        return {"hop_size": task.hop_size, **sizes}

    def input_length(self, samples: int) -> int:
        """Whole frames, unless there is none."""
        hop = self.known["hop_size"]
        return samples - samples % hop if samples >= hop else samples

    def compute(self, utterances: Sequence[Utterance], audios: Sequence[Audio], device: str) -> list[np.ndarray]:
        codec = self.codec(device)
        coded = codec.batch(audios, bandwidth=self.bandwidth)
        return [codes.values.T for codes in coded]

    def encode(self, array: np.ndarray) -> np.ndarray:
        return array.astype(np.int64)

    def codec(self, device: str) -> Any:
        """The codec itself, a `models.codec.task.Codec`; see `coder`."""
        return self.coder(device)


@functools.lru_cache(maxsize=2)
def codec_at(place: str, device: str) -> Any:
    """The codec that lies there, loaded once in a process. Raises ValueError for what is none, and for one that codes in chunks."""
    import torch

    with torch.random.fork_rng(devices=[]):  # a network that is built draws weights: a training must begin alike, whether it is loaded or not
        codec = load_object(LOAD)(place, device=device)
    if not isinstance(codec, load_object(TASK)):
        raise ValueError(f"codec: {place} is a {codec.name}, which is no codec: {SOURCE.what} is needed.")
    most = np.iinfo(CodecTokens.rounded_to).max + 1
    if codec.codebook_size > most:
        raise ValueError(f"codec: {place} has {codec.codebook_size} rows in a codebook, and codes are kept of up to {most}: take another.")
    if codec.in_chunks:
        raise ValueError(f"codec: {place} codes in chunks that overlap, so that its frames are no even clock: take another.")
    return codec
