"""Codes of a codec as a feature: what models of speech predict in place of a spectrum.

    preprocess: { sample_rate: 24000, hop_size: 320, features: { codec: { model: "ckpts/codec/paper", bandwidth: 6 } } }

Where the model's frames are as many a second as the codec's, they are the same frames, one for one; else the codes have a clock of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from preprocessors.base import Utterance
from processors.batched import BatchedFeature
from processors.clock import Clock
from utils import pretrained
from utils.audio import Audio
from utils.pretrained import Source
from utils.registry import load_object

if TYPE_CHECKING:
    from processors.features import FeatureSet

LOAD = "models:load"  # by its name, as this floor is below that of the models
TASK = "models.codec.task:Codec"
SOURCE = Source(
    "codec",
    "a release, run or checkpoint of a codec, or one of EnCodec's",
    hub="facebook/encodec_24khz",
    setting="preprocess.features.codec.model",
)


@dataclass(kw_only=True, eq=False)
class CodecTokens(BatchedFeature):
    """Codes (frames, codebooks), int16 as they are kept and int64 as a network reads them.

    `model`: where the codec lies; "" looks in the folder AMPHION_MODELS. `bandwidth`: kbit/s, None is all that it has. Which codec it was,
    its digest says, which travels in the card. Raises ValueError for one that is not there, is another than was learnt with, or codes in
    chunks, whose frames overlap.
    """

    kind: ClassVar[str] = "i"
    dimensions: ClassVar[int] = 2
    rounded_to: ClassVar[str] = "int16"
    gives: ClassVar[tuple[str, ...]] = ("codebooks", "codebook_size", "codec_channels")  # the last: how wide what a frame's codes stand for is

    sample_rate: int
    hop_size: int
    model: str = ""
    bandwidth: float | None = None

    def __post_init__(self) -> None:
        self.restore({}, None)

    @property
    def facts(self) -> dict[str, Any]:
        return {name: self._known[name] for name in self.gives}

    @property
    def input_rate(self) -> int:
        return self._known["rate"]

    @property
    def clock(self) -> Clock | None:
        rate = Fraction(self._known["rate"], self._known["hop_size"])
        if rate == Fraction(self.sample_rate, self.hop_size):
            return None
        return Clock(rate, 1 / (2 * rate))

    def input_length(self, samples: int) -> int:
        """Whole frames, unless there is none."""
        hop = self._known["hop_size"]
        return samples - samples % hop if samples >= hop else samples

    def compute(self, utterances: Sequence[Utterance], audios: Sequence[Audio], device: str) -> list[np.ndarray]:
        codec = self.codec(device)
        coded = codec.batch(audios, bandwidth=self.bandwidth)
        return [codes.values.T for codes in coded]

    def encode(self, array: np.ndarray) -> np.ndarray:
        return array.astype(np.int64)

    # Which codec it was

    @property
    def _known(self) -> dict[str, Any]:
        """What was learnt of the codec; else it is asked."""
        if not self.learned:
            self.learned = self._described()
        return self.learned

    def _described(self) -> dict[str, Any]:
        codec = self.codec("cpu")
        books = codec.model.books(self.bandwidth)
        sizes = {"codebooks": books, "codebook_size": codec.codebook_size, "codec_channels": codec.latent}
        return {"network": codec.digest, "rate": codec.rate, "hop_size": codec.hop_size, **sizes}

    def codec(self, device: str) -> Any:
        """The codec itself, a `models.codec.task.Codec`. Raises ValueError for one that is not there, or another than was learnt with."""
        moved = self.learned and pretrained.absent(SOURCE, self.model)
        place = pretrained.find(SOURCE, "" if moved else self.model)
        codec = codec_at(place, device)
        expected = self.learned.get("network", codec.digest)
        if codec.digest != expected:
            cure = f"give the one that it was as {SOURCE.given('FOLDER')}, or put it into {pretrained.FOLDER} as codec"
            raise ValueError(f"codec: {place} is another one than was learnt with, whose digest is {expected}: {cure}.")
        return codec

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Notes which codec it is, and of what sizes, so that training needs it no more."""
        self.restore({}, folder)
        described = dict(self._known)
        codec_at.cache_clear()
        return described

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        """False for a codec that has changed since. One that is not here, or on a hub, is taken as it was."""
        if not learned.keys() >= {"network", *self.gives}:
            return False
        place = pretrained.locate(SOURCE, self.model)
        return not Path(place or "-").exists() or codec_at(place, "cpu").digest == learned["network"]

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        self.learned = learned

    def place(self, utterance: Utterance) -> str:
        return self._known["network"]


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
