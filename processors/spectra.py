"""Features that are spectra of the sound: the mel that models read, linear magnitudes, the energy of each frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from preprocessors.base import Utterance
from processors.clock import Padding, frame_count
from processors.feature import Feature
from processors.mel import STFT, MelConvention, MelSettings, MelSpectrogram, convention_of, magnitude
from utils.audio import Audio


@dataclass(frozen=True, kw_only=True)
class Mel(MelSettings, Feature):
    """The mel spectrogram, (frames, n_mel) float32."""

    gives = ("n_mel",)

    @property
    def pad(self) -> float:
        return self.convention.silence

    @cached_property
    def module(self) -> MelSpectrogram:
        return MelSpectrogram(self)

    @property
    def reach(self) -> int | None:
        if self.module.convention.range_db is not None:  # the loudest band may be anywhere
            return None
        return self.module.stft.reach

    @property
    def facts(self) -> dict[str, Any]:
        return {"n_mel": self.n_mel}

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        return _run(self.module, audio)


class Linear(Feature):
    """The magnitude spectrogram, (frames, n_fft // 2 + 1) float32, in the frames of `Mel`: `frame_padding` is the mel's."""

    def __init__(
        self,
        *,
        hop_size: int,
        n_fft: int = 1024,
        win_size: int = 1024,
        convention: str | MelConvention = "hifigan",
        frame_padding: Padding | None = None,
    ) -> None:
        how = self.convention = convention_of(convention)
        self.settings = {"hop_size": hop_size, "n_fft": n_fft, "win_size": win_size} | {
            "padding": frame_padding or how.padding,
            "pad_mode": how.pad_mode,
        }

    @cached_property
    def stft(self) -> STFT:
        return STFT(**self.settings)

    @property
    def reach(self) -> int:
        return self.stft.reach

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        return _run(lambda samples: magnitude(self.stft(samples), self.convention.epsilon), audio)


class Energy(Linear):
    """The energy of each frame, (frames,) float32: the L2 norm of its magnitudes, in the frames of `Mel`.

    `measure` "rms" is the root mean square of the `hop_size` samples around a frame's centre, as so-vits-svc has it; "mel" the L2 norm
    of the band energies of the config's mel, as Amphion's converters have it.
    """

    def __init__(
        self,
        *,
        hop_size: int,
        n_fft: int = 1024,
        win_size: int = 1024,
        convention: str | MelConvention = "hifigan",
        frame_padding: Padding | None = None,
        measure: Literal["", "rms", "mel"] = "",
        mel: MelSettings | None = None,
    ) -> None:
        super().__init__(hop_size=hop_size, n_fft=n_fft, win_size=win_size, convention=convention, frame_padding=frame_padding)
        self.measure = measure
        self.mel = mel
        if measure == "mel" and mel is None:
            raise ValueError('energy.measure "mel" is the energy of a mel, and there is none: add "mel": {} to preprocess.features.')

    @property
    def reach(self) -> int | None:
        if self.measure == "mel":
            return self._mel.reach
        return 1 if self.measure == "rms" else super().reach

    @cached_property
    def _mel(self) -> Mel:
        return Mel(**vars(self.mel))

    def __call__(self, utterance: Utterance, audio: Audio) -> np.ndarray:
        if self.measure == "rms":
            return self._rms(audio.samples)
        if self.measure == "mel":
            mel = torch.from_numpy(self._mel(utterance, audio))
            bands = self.mel.convention.energy(mel)
            return bands.norm(dim=1).numpy()
        return np.linalg.norm(super().__call__(utterance, audio), axis=1)

    def _rms(self, samples: np.ndarray) -> np.ndarray:
        hop = self.settings["hop_size"]
        padding = self.settings["padding"]
        frames = frame_count(len(samples), hop, padding)
        total = frames * hop
        before = hop // 2 if padding == "center" else 0
        after = max(0, total - before - len(samples))
        padded = np.pad(samples, (before, after), mode="symmetric")
        blocks = padded[:total].reshape(frames, hop)
        squares = blocks.astype(np.float64) ** 2
        power = squares.mean(1)
        return np.sqrt(power).astype(np.float32)


def _run(module: Callable[[Tensor], Tensor], audio: Audio) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(audio.samples)[None])[0].numpy()
