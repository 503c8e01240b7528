"""What an autoencoder of mels makes of a sound: the posterior of its latents, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Latents:
    """Means and log variances (frames, channels, bins), float32, of a mel of `mel_frames` frames."""

    mean: np.ndarray
    logvar: np.ndarray
    mel_frames: int

    @property
    def frames(self) -> int:
        return len(self.mean)

    @property
    def moments(self) -> np.ndarray:
        """(frames, 2 * channels, bins): the means, then the log variances."""
        return np.concatenate([self.mean, self.logvar], axis=1)

    @classmethod
    def of_moments(cls, moments: np.ndarray, mel_frames: int) -> Latents:
        """What `moments` gave."""
        mean, logvar = np.split(moments, 2, axis=1)
        return cls(mean, logvar, mel_frames)

    def sample(self, seed: int | None = None) -> np.ndarray:
        """Latents (frames, channels, bins) drawn of the posterior; the same `seed` draws the same."""
        noise = np.random.default_rng(seed).standard_normal(self.mean.shape, dtype=np.float32)
        deviation = np.exp(0.5 * self.logvar)
        return self.mean + deviation * noise
