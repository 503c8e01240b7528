"""Autoencoders of mels for users: a sound becomes latents, latents become a mel, and what is kept of a recording can be heard."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.base.task import Sample, Task
from models.tta.latents import Latents
from models.vocoders.voicing import Voicing
from utils.audio import Audio

if TYPE_CHECKING:
    import torch

    from preprocessors.base import Utterance

Source = Audio | str | Path | np.ndarray


class MelAutoencoder(Task):
    """`MelAutoencoder("recording.wav") -> Audio`, and its two halves, `encode` and `decode`.

    A source is an `Audio`, a file, or a mel (frames, n_mel) of the settings in `mel_settings`; of any length.
    """

    example = "--folder a/folder/of/recordings"
    called_with = '"recording.wav"'
    metrics = "mstft mcd energy_rmse"
    align = "cut"
    length_ratio = 1.25

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "mel" not in self.features.features:
            raise ValueError(f"{self.name} codes mels, whose settings its card lacks in preprocess.features: it was cut down.")
        self._vocode = Voicing(self)

    def __call__(self, source: Source, *, vocoder: str | None = None, **options: Any) -> Audio:
        """The sound as it is after coding.

        `vocoder` is a release, run or checkpoint; None takes the one that the card names, or Griffin-Lim. `options` are those of the
        model's `infer`. Raises ValueError for a sound without a frame, or that holds NaN, and for a vocoder of another mel.
        """
        mel = self.reconstruct(source, **options)
        return self._vocode(mel, vocoder)

    def reconstruct(self, source: Source, **options: Any) -> np.ndarray:
        """The mel (frames, n_mel) of a source as it is after coding; `options` are those of the model's `infer`."""
        import torch

        chosen = self.chosen(options)
        mel = self._batch([self.mel(source)])
        with torch.inference_mode():
            coded = self.network.infer(mel, **chosen)["mel"]
        return _array(coded[0])

    def encode(self, source: Source) -> Latents:
        """The posterior of the latents of a source."""
        (latents,) = self.batch([source])
        return latents

    def batch(self, sources: Sequence[Source]) -> list[Latents]:
        """The latents of several sources; those of one length are coded together."""
        mels = [self.mel(source) for source in sources]
        by_length: dict[int, list[int]] = {}
        for place, mel in enumerate(mels):
            by_length.setdefault(len(mel), []).append(place)
        found: dict[int, Latents] = {}
        for places in by_length.values():
            alike = [mels[place] for place in places]
            coded = self._encoded(alike)
            found |= dict(zip(places, coded, strict=True))
        return [found[place] for place in range(len(mels))]

    def _encoded(self, mels: list[np.ndarray]) -> list[Latents]:
        """The latents of mels of one length."""
        import torch

        length = len(mels[0])
        with torch.inference_mode():
            posterior = self.network.encode(self._batch(mels))
            rows = self.network.by_frame(posterior.moments)
        return [Latents.of_moments(_array(moments), length) for moments in rows]

    def decode(self, latents: Latents | np.ndarray) -> np.ndarray:
        """The mel (frames, n_mel) of latents (frames, channels, bins), drawn or made; of `Latents` that of their means.

        Raises ValueError for latents of another autoencoder.
        """
        import torch

        if isinstance(latents, Latents):
            whole = self.decode(latents.mean)
            return whole[: latents.mel_frames]
        expected = (self.model.channels, self.model.bins)
        if latents.ndim != 3 or latents.shape[1:] != expected or not len(latents):
            channels, bins = expected
            raise ValueError(
                f"latents of shape (frames, {channels}, {bins}) are expected, got {latents.shape}: are they another autoencoder's?"
            )
        rows = self._batch([latents])
        with torch.inference_mode():
            mel = self.network.decode(self.network.from_frames(rows))
        return _array(mel[0])

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The recording after coding, beside it."""
        vocoder = options.pop("vocoder", None)
        recorded = self.mel(utterance.read(self.rate))
        coded = self.reconstruct(recorded, **options)
        sound = self._vocode(coded, vocoder)
        return Sample(sound, utterance.text or utterance.id, {"mel": coded}, {"mel": recorded})

    @property
    def copies(self) -> bool:
        return True

    def copy(self, sound: Audio, vocoder: str | None = None) -> Audio:
        """Copy-synthesis: the mel of `sound` through the vocoder, which is what coding can sound like at best."""
        return self._vocode(self.mel(sound), vocoder)

    # What the autoencoder is

    @property
    def described(self) -> list[str]:
        channels = self.model.channels
        size = f"latents of {channels} x {self.model.bins}, {float(self.latent_rate):g} a second"
        return [*super().described, size]

    @property
    def latent_rate(self) -> Fraction:
        """Latent frames a second."""
        return Fraction(self.rate, self.hop_size * self.model.factor)

    @property
    def hop_size(self) -> int:
        """Samples of a frame of the mel."""
        return self.features.hop_size

    def latent_frames(self, seconds: float) -> int:
        """How many a sound of so many seconds has: whole ones, with silence behind."""
        mel_frames = self.features.frames.of_sound(round(seconds * self.rate))
        return max(1, math.ceil(mel_frames / self.model.factor))

    @functools.cached_property
    def digest(self) -> str:
        """Stands for its weights, whatever file holds them."""
        from models.base.frozen import digest_of_weights

        return digest_of_weights(self.model.state_dict())

    # From sound to mel

    def mel(self, source: Source) -> np.ndarray:
        """The mel (frames, n_mel) of a source, checked."""
        if isinstance(source, str | Path):
            source = Audio.read(source)
        mel = self.features.of_sound(source, ["mel"])["mel"] if isinstance(source, Audio) else np.asarray(source, dtype=np.float32)
        bands = self.model.n_mel
        if mel.ndim != 2 or mel.shape[1] != bands or not len(mel):
            raise ValueError(f"a mel of one frame or more and {bands} bands is expected, got {mel.shape}: is it of these settings?")
        if not np.isfinite(mel).all():
            raise ValueError("the mel to code holds NaN or infinity.")
        return mel

    def _batch(self, arrays: list[np.ndarray]) -> torch.Tensor:
        import torch

        return torch.from_numpy(np.stack(arrays)).to(self.device)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()
