"""What a voice is to sing, frame by frame: the content, melody and loudness of a recording, and whose voice it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from modules.conformer import ConformerEncoder
from modules.masks import valid

VECTOR = "speaker_vector"  # the name under which `channels` has the size of a vector of somebody's voice


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Of a `Conditioner`; the defaults are Amphion's sizes. A width of 0 leaves that part out; parts that are added are equally wide.

    `melody_bins` 0 gives the F0 itself, one channel in Hz, as some published weights have it; `loudness_bins` 0 the energy through a
    linear layer. `speakers` "vectors" are of recordings, so that a voice that was never trained can be a target.
    """

    merge: Literal["add", "concat"] = "add"
    content_width: int = 384
    melody_width: int = 384
    loudness_width: int = 384
    speaker_width: int = 384
    unvoiced: bool = True  # whether it is said of a frame that it has no F0
    melody_bins: int = 256
    f0_min: float = 50.0  # Hz
    f0_max: float = 1100.0
    loudness_bins: int = 256
    energy_min: float = 1e-4
    energy_max: float = 1e3
    conformer: bool = False  # before the linear layer of each content
    speakers: Literal["ids", "vectors"] = "ids"
    see_padding: bool = False  # the conformer's convolutions look beyond the end of an utterance, as in published weights

    def network(self, channels: Mapping[str, int], contents: tuple[str, ...], n_speakers: int) -> Conditioner:
        """For content features of these names; `channels` says how wide each is. Raises ValueError where sizes do not fit together."""
        self._check(channels, contents)
        return Conditioner(self, {name: channels[name] for name in contents}, channels.get(VECTOR, 0), n_speakers)

    @property
    def sizes(self) -> dict[str, int]:
        """The width of each part that there is."""
        melody = self.melody_width if self.melody_bins else min(self.melody_width, 1)
        widths = {"content": self.content_width, "melody": melody, "loudness": self.loudness_width, "speaker": self.speaker_width}
        return {name: width for name, width in widths.items() if width}

    def _check(self, channels: Mapping[str, int], contents: tuple[str, ...]) -> None:
        sizes = self.sizes
        wanted = list(contents)
        if self.speakers == "vectors" and "speaker" in sizes:
            wanted.append(VECTOR)
        missing = [name for name in wanted if name not in channels]
        if missing:
            raise ValueError(f"condition: the width of {', '.join(missing)} is not known; known: {', '.join(channels) or 'none'}.")
        if not contents:
            sizes.pop("content", None)
        if not sizes:
            raise ValueError("condition: every part is left out: name contents, or give melody_width or another a size above 0.")
        if self.merge == "add" and len(set(sizes.values())) > 1:
            raise ValueError(f'condition: parts of unequal widths {sizes} cannot be added: make them equal, or merge: "concat".')
        for name, bins in (("melody_bins", self.melody_bins), ("loudness_bins", self.loudness_bins)):
            if bins < 0 or bins in (1, 2):
                raise ValueError(f"condition.{name}: 3 or more are needed, or 0 for none, got {bins}.")


class Conditioner(nn.Module):
    """(batch, frames, channels) of what is to be sung: melody, loudness, contents and speaker, in this order, added or side by side."""

    def __init__(self, conditions: Conditions, contents: Mapping[str, int], vector: int, n_speakers: int) -> None:
        super().__init__()
        sizes = conditions.sizes
        self.merge = conditions.merge
        self.contents = tuple(contents) if "content" in sizes else ()
        self.melody_encoder = MelodyEncoder(conditions) if "melody" in sizes else None
        self.loudness_encoder = LoudnessEncoder(conditions) if "loudness" in sizes else None
        self.singer_encoder = None
        if "speaker" in sizes:
            rows = vector if conditions.speakers == "vectors" else n_speakers
            self.singer_encoder = SpeakerEncoder(rows, sizes["speaker"], conditions.speakers)
        widths = [width for part, width in sizes.items() if part != "content"]
        for name in self.contents:
            width = sizes["content"]
            encoder = ContentEncoder(contents[name], width, conditions.conformer, conditions.see_padding)
            self.add_module(f"{name}_encoder", encoder)
            widths.append(width)
        self.channels = sum(widths) if self.merge == "concat" else widths[0]

    def forward(
        self,
        contents: Mapping[str, Tensor],
        f0: Tensor | None,
        energy: Tensor | None,
        speaker: Tensor | None,
        *,
        unvoiced: Tensor | None = None,
        frames: Tensor | None = None,
    ) -> Tensor:
        """(batch, frames, channels).

        `contents`: (batch, frames, width) by name. `f0` (batch, frames) in Hz, 0 where unvoiced; `unvoiced` (batch, frames), 1 where it
        is, is worked out from it unless given. `energy` (batch, frames). `speaker` (batch,) numbers, or vectors (batch, width).
        `frames` (batch,) are the lengths. Raises ValueError for a content that is missing.
        """
        parts = []
        if self.melody_encoder is not None:
            parts.append(self.melody_encoder(f0, unvoiced))
        if self.loudness_encoder is not None:
            parts.append(self.loudness_encoder(energy))
        for name in self.contents:
            encoder = self.get_submodule(f"{name}_encoder")
            parts.append(encoder(_given(contents, name), frames))
        if self.singer_encoder is not None:
            parts.append(self._spread(self.singer_encoder(speaker), parts))
        if self.merge == "concat":
            return torch.cat(parts, -1)
        return torch.stack(parts).sum(0)

    @staticmethod
    def _spread(voice: Tensor, parts: list[Tensor]) -> Tensor:
        """`voice` (batch, width) in each of as many frames as the other parts have; in one, where there are none."""
        frames = parts[0].shape[1] if parts else 1
        return voice[:, None].expand(-1, frames, -1)


class ContentEncoder(nn.Module):
    """A content feature (batch, frames, channels) to (batch, frames, width)."""

    def __init__(self, channels: int, width: int, conformer: bool, see_padding: bool) -> None:
        super().__init__()
        self.conformer = ConformerEncoder(channels, see_padding=see_padding) if conformer else None
        self.nn = nn.Linear(channels, width)

    def forward(self, content: Tensor, frames: Tensor | None) -> Tensor:
        if self.conformer is not None:
            lengths = frames if frames is not None else _whole(content)
            content = self.conformer(content, valid(lengths, content.shape[1]))
        return self.nn(content)


class MelodyEncoder(nn.Module):
    """F0 (batch, frames) in Hz to (batch, frames, width): a vector of its bin, and of whether there is any."""

    def __init__(self, conditions: Conditions) -> None:
        super().__init__()
        self.bins = conditions.melody_bins
        self.f0_min = conditions.f0_min
        self.f0_max = conditions.f0_max
        self.nn = None
        self.uv_embedding = None
        if self.bins:
            self.nn = nn.Embedding(self.bins, conditions.melody_width)
        if self.bins and conditions.unvoiced:
            self.uv_embedding = nn.Embedding(2, conditions.melody_width)

    def forward(self, f0: Tensor, unvoiced: Tensor | None) -> Tensor:
        if self.nn is None:
            return f0[..., None]
        melody = self.nn(coarse_f0(f0, self.bins, self.f0_min, self.f0_max))
        if self.uv_embedding is None:
            return melody
        silent = f0 == 0 if unvoiced is None else unvoiced
        return melody + self.uv_embedding(silent.long())


class LoudnessEncoder(nn.Module):
    """Energy (batch, frames) to (batch, frames, width): a vector of its bin; these are evenly apart in its logarithm."""

    def __init__(self, conditions: Conditions) -> None:
        super().__init__()
        width = conditions.loudness_width
        if not conditions.loudness_bins:
            self.nn = nn.Linear(1, width)
            return
        low = math.log(conditions.energy_min)
        high = math.log(conditions.energy_max)
        edges = torch.linspace(low, high, conditions.loudness_bins - 1).exp()
        self.register_buffer("energy_bins", edges)
        self.nn = nn.Embedding(conditions.loudness_bins, width)

    def forward(self, energy: Tensor) -> Tensor:
        if isinstance(self.nn, nn.Linear):
            return self.nn(energy[..., None])
        values = energy.to(self.energy_bins.dtype).contiguous()
        return self.nn(torch.bucketize(values, self.energy_bins))


class SpeakerEncoder(nn.Module):
    """Numbers of speakers (batch,), or vectors of their voices (batch, size), to (batch, width)."""

    def __init__(self, size: int, width: int, speakers: Literal["ids", "vectors"]) -> None:
        super().__init__()
        self.nn = nn.Embedding(size, width) if speakers == "ids" else None
        self.projection = nn.Linear(size, width) if speakers == "vectors" else None  # its rows are no speakers

    def forward(self, speaker: Tensor) -> Tensor:
        return self.projection(speaker) if self.nn is None else self.nn(speaker)


def coarse_f0(f0: Tensor, bins: int, f0_min: float, f0_max: float) -> Tensor:
    """The bin of each F0 in Hz, as whole numbers: 1 to `bins` - 1, evenly apart in mel; 1 where unvoiced."""
    low = _mel(f0_min)
    high = _mel(f0_max)
    mel = 1127 * (1 + f0 / 700).log()
    places = (mel - low) * (bins - 2) / (high - low) + 1
    places = torch.where(f0 > 0, places, 1.0)
    rounded = places.clamp(1, bins - 1) + 0.5
    return rounded.long()


def _mel(hertz: float) -> float:
    return 1127 * math.log(1 + hertz / 700)


def _whole(content: Tensor) -> Tensor:
    """The lengths of a batch without padding, (batch,)."""
    return torch.full((len(content),), content.shape[1], device=content.device)


def _given(contents: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in contents:
        raise ValueError(f"contents: {name!r} is missing, which the model was trained on; given: {', '.join(contents) or 'none'}.")
    return contents[name]
