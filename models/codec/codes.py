"""Sound as codes: the one shape that every codec here gives and takes, and the file that it is kept in."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self, TypedDict

from utils.audio import Audio
from utils.files import check_shape, write_whole

SUFFIX = ".codes.safetensors"
VECTORS = ("scales", "timbre")  # what some codecs keep beside the codes
COUNTS = ("chunk_frames", "parts")  # of frames, and of codebooks


class Header(TypedDict):
    """What a file of codes says beside its arrays."""

    rate: int
    hop_size: int
    codebook_size: int
    samples: int


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of one sound. `values`: int64 (codebooks, frames), the first codebook the coarsest.

    `rate`: samples a second of the sound, `hop_size` of them in a frame, `samples` of them in all. A codec that codes long sounds in
    chunks has the frames of one chunk behind those of the other: `chunk_frames` counts them, and `scales` (chunks,) are the loudness of
    each, where the codec keeps it. A codec that takes speech apart says in `parts` how many codebooks are of prosody, of content and of
    what is left, and who speaks in `timbre` (channels,): the codes with the timbre of another are the same in that voice. Raises
    ValueError for arrays that are none.
    """

    values: np.ndarray
    rate: int
    hop_size: int
    codebook_size: int
    samples: int
    chunk_frames: tuple[int, ...] = ()
    scales: np.ndarray | None = None
    timbre: np.ndarray | None = None
    parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        for name in Header.__annotations__:
            if getattr(self, name) < 1:
                raise ValueError(f"codes have a {name} of 1 or more, got {getattr(self, name)}.")
        check_values(values, self.codebook_size)
        frames = values.shape[1]
        chunk_frames = self.chunk_frames or (frames,)
        if sum(chunk_frames) != frames or min(chunk_frames) < 1:
            raise ValueError(f"codes of {frames} frames cannot be chunks of {list(chunk_frames)}.")
        chunks = len(chunk_frames)
        if self.scales is not None and np.shape(self.scales) != (chunks,):
            raise ValueError(f"{chunks} chunks need as many scales, got shape {np.shape(self.scales)}.")
        _check_vector("scales", self.scales)
        _check_vector("a timbre", self.timbre)
        if len(self.parts) not in (0, 3):
            raise ValueError(f"parts: codebooks of prosody, content and residual are three numbers, got {list(self.parts)}.")
        object.__setattr__(self, "values", values.astype(np.int64))
        object.__setattr__(self, "chunk_frames", tuple(chunk_frames))

    @property
    def codebooks(self) -> int:
        return self.values.shape[0]

    @property
    def frames(self) -> int:
        return self.values.shape[1]

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second, exactly."""
        return Fraction(self.rate, self.hop_size)

    @property
    def seconds(self) -> float:
        return self.samples / self.rate

    @property
    def bits_per_second(self) -> float:
        """Of the codes, with which a frame is said; scales are not counted."""
        return self.codebooks * math.log2(self.codebook_size) * float(self.frame_rate)

    @property
    def prosody(self) -> np.ndarray:
        """The codes of prosody, (codebooks, frames). Raises ValueError for those of a codec that does not take speech apart."""
        return self._part(0)

    @property
    def content(self) -> np.ndarray:
        """The codes of what is said, as `prosody`."""
        return self._part(1)

    @property
    def residual(self) -> np.ndarray:
        """The codes of what is left, as `prosody`; with none of its codebooks where these are the first few."""
        return self._part(2)

    def _part(self, number: int) -> np.ndarray:
        if not self.parts:
            raise ValueError("these codes are not taken apart into prosody, content and residual: FACodec's are.")
        first = sum(self.parts[:number])
        return self.values[first : first + self.parts[number]]

    def first(self, codebooks: int) -> Self:
        """The same sound by fewer codebooks: what coding it at a lower bandwidth gives. Raises ValueError for more than there are."""
        if not 1 <= codebooks <= self.codebooks:
            raise ValueError(f"codebooks: 1 to {self.codebooks} of these codes, got {codebooks}.")
        return replace(self, values=self.values[:codebooks])

    def save(self, path: str | Path) -> Path:
        """Writes them in safetensors, whole or not at all."""
        from safetensors.numpy import save_file

        values = np.ascontiguousarray(self.values, dtype=np.int32)
        chunk_frames = np.array(self.chunk_frames, dtype=np.int32)
        arrays = {"codes": values, "chunk_frames": chunk_frames}
        for name in VECTORS:
            vector = getattr(self, name)
            if vector is not None:
                arrays[name] = np.ascontiguousarray(vector, dtype=np.float32)
        if self.parts:
            arrays["parts"] = np.array(self.parts, dtype=np.int32)
        header = {name: getattr(self, name) for name in Header.__annotations__}
        metadata = {"codes": json.dumps(header)}
        return write_whole(Path(path), lambda part: save_file(arrays, part, metadata))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `save` wrote. Raises ValueError naming a file that is missing, damaged, or none of codes."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                metadata = file.metadata() or {}
                arrays: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path} is no file of codes: it is missing or damaged ({error}).") from error
        if "codes" not in metadata or not {"codes", "chunk_frames"} <= arrays.keys():
            raise ValueError(f"{path} is no file of codes, as `Codes.save` writes them: it holds {', '.join(arrays) or 'nothing'}.")
        vectors = {name: arrays.get(name) for name in VECTORS}
        try:
            header = json.loads(metadata["codes"])
        except ValueError as error:
            raise ValueError(f"{path} is no file of codes: what it says of them is no JSON ({error}).") from error
        check_shape(header, Header, f"{path}, codes,")
        said = {name: header[name] for name in Header.__annotations__}
        try:
            counts = {name: _counts(name, arrays[name]) for name in COUNTS if name in arrays}
            return cls(arrays["codes"], **said, **counts, **vectors)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def check_values(values: np.ndarray, codebook_size: int) -> None:
    """Raises ValueError where these are no codes (codebooks, frames), or some that no codebook of that size has."""
    if values.ndim != 2 or not values.size or values.dtype.kind not in "iu":
        raise ValueError(f"codes are whole numbers (codebooks, frames), one of each or more, got {values.dtype} of shape {values.shape}.")
    least = values.min()
    greatest = values.max()
    if least < 0 or greatest >= codebook_size:
        raise ValueError(f"codes must be 0 to {codebook_size - 1}, got {least} to {greatest}: they are another codec's, or damaged.")


def check_parts(codes: Codes, least: int, width: int, name: str) -> None:
    """Raises ValueError for codes that lack what a codec of this name keeps apart: `least` codebooks, a timbre of `width` numbers."""
    if codes.codebooks < least:
        raise ValueError(f"codes of {least} codebooks (prosody and content) or more are expected, got {codes.codebooks}.")
    given = 0 if codes.timbre is None else len(codes.timbre)
    if given != width:
        said = given or "none"
        raise ValueError(f"{name} has a timbre of {width} numbers beside its codes, got {said}: give it what its `encode` gave.")


def _check_vector(name: str, vector: np.ndarray | None) -> None:
    """Raises ValueError where this is there, and no row of numbers."""
    if vector is None:
        return
    if np.ndim(vector) != 1 or not np.isfinite(vector).all():
        raise ValueError(f"{name}: a row of numbers is needed, got shape {np.shape(vector)}, or NaN or infinity in it.")


def _counts(name: str, array: np.ndarray) -> tuple[int, ...]:
    """The whole numbers of a file's array. Raises ValueError where it holds none."""
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{name}: whole numbers in a row are needed, got {array.dtype} of shape {array.shape}.")
    return tuple(array.tolist())


@dataclass(frozen=True, eq=False)
class CodedAudio(Audio):
    """A sound as it is after coding, with its codes, which are written beside it: `name.codes.safetensors`."""

    codes: Codes | None = field(default=None)

    def write(self, path: str | Path) -> Path:
        """As `Audio.write`, the codes first: what has its sound is done."""
        if self.codes is not None:
            self.codes.save(Path(path).with_suffix(SUFFIX))
        return super().write(path)
