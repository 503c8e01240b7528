"""What the sampling of a sound begins with: nothing, or another sound, of which some may stay."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.audio import Audio

if TYPE_CHECKING:
    import torch

    from models.tta.autoencoding import MelAutoencoder
    from processors.mel import MelSettings

SPAN = re.compile(r"\s*([0-9.]+)\s*-\s*([0-9.]+)\s*")


@dataclass(frozen=True)
class Start:
    """How many `seconds` there shall be; latents (frames, channels, bins) to begin with, and which stay, (frames, bins)."""

    seconds: float
    latent: np.ndarray | None = None
    keep: np.ndarray | None = None

    def inputs(self, device: Any) -> dict[str, torch.Tensor]:
        """What the model's `infer` takes of it, each a batch of one."""
        import torch

        given = {"start": self.latent, "keep": self.keep}
        inputs = {}
        for name, array in given.items():
            if array is not None:
                tensor = torch.from_numpy(array).to(device)
                inputs[name] = tensor[None]
        return inputs


def started(
    autoencoder: MelAutoencoder,
    sound: Audio,
    seconds: float | None,
    *,
    longest: float,
    inpaint: str | None = None,
    restore_above: float | None = None,
) -> Start:
    """The start that a sound is, `seconds` of it or all. What is beyond its end is made anew.

    Raises ValueError for a sound that is silent or too long, and a span or frequency that is not in it.
    """
    if sound.silent:
        raise ValueError("init_audio: it is silent, no sample reaches -60 dB of full scale: name another sound.")
    length = seconds or sound.seconds
    if length > longest:
        raise ValueError(f"init_audio: it lasts {sound.seconds:.1f} s, and {longest:g} s are possible: say how many as seconds.")
    frames = autoencoder.latent_frames(length)
    latents = autoencoder.encode(sound.resample(autoencoder.rate)).mean[:frames]
    missing = frames - len(latents)
    latent = np.pad(latents, ((0, missing), (0, 0), (0, 0)))
    if inpaint is None and restore_above is None and not missing:
        return Start(length, latent)
    keep = np.ones((frames, latent.shape[2]), dtype=bool)
    keep[frames - missing :] = False
    if inpaint is not None:
        begin, end = span_of(inpaint, length)
        rate = float(autoencoder.latent_rate)
        first = int(begin * rate)
        keep[first : max(first + 1, round(end * rate))] = False
    if restore_above is not None:
        lowest = bin_above(autoencoder.mel_settings, restore_above, latent.shape[2])
        keep[:, lowest:] = False
    return Start(length, latent, keep)


def span_of(text: str, seconds: float) -> tuple[float, float]:
    """The begin and end of "2-4.5". Raises ValueError for another form, or a span that is not within so many seconds."""
    match = SPAN.fullmatch(text)
    try:
        begin = float(match[1])
        end = float(match[2])
    except (TypeError, ValueError) as error:
        raise ValueError(f'inpaint: two times in seconds are expected, such as "2-4.5", got {text!r}.') from error
    if not begin < end:
        raise ValueError(f"inpaint: {text!r} ends before it begins.")
    if begin >= seconds:
        raise ValueError(f"inpaint: {text!r} begins beyond the end of the sound, which lasts {seconds:.2f} s.")
    return begin, end


def bin_above(mel: MelSettings, frequency: float, bins: int) -> int:
    """The lowest of the latent's bins that is for bands above a frequency in Hz. Raises ValueError where there is none."""
    import librosa

    top = mel.fmax or mel.sample_rate / 2
    centres = librosa.mel_frequencies(mel.n_mel + 2, fmin=mel.fmin, fmax=top, htk=mel.convention.mel_scale == "htk")[1:-1]
    below = int((centres <= frequency).sum())
    lowest = -(-below * bins // mel.n_mel)
    if lowest >= bins:
        raise ValueError(f"restore_above: {frequency:g} Hz lies above all that this model makes, up to {top:g} Hz.")
    return lowest
