"""What a recording sounds like on average: its long-term spectrum, and how strongly a singer's voice rings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.metric import Frames, metric, refuse_silence
from evaluation.pitch import f0_track, rmse
from evaluation.stft import magnitude_blocks
from utils.audio import Audio

if TYPE_CHECKING:
    from evaluation.pair import Pair

N_FFT, HOP_SIZE = 2048, 512
LOWEST_HZ, FLOOR_DB = 50.0, -80.0
RING_HZ = (2000.0, 4000.0)


def average_spectrum(audio: Audio) -> Frames:
    """Mean power in third-octave bands from 50 Hz, in dB of the whole, (bands,), nothing under -80 dB. Needs 2048 samples."""
    power = _mean_power(audio, np.ones(1 + len(audio.samples) // HOP_SIZE))
    hertz = np.arange(len(power)) * audio.rate / N_FFT
    edges = LOWEST_HZ * 2 ** (np.arange(np.ceil(3 * np.log2(audio.rate / 2 / LOWEST_HZ)) + 1) / 3)
    bands = [power[(hertz >= low) & (hertz < high)].sum() for low, high in zip(edges[:-1], edges[1:], strict=True)]
    with np.errstate(divide="ignore"):
        return Frames(np.maximum(10 * np.log10(np.array(bands) / power.sum()), FLOOR_DB), 0.0, 1.0)


def singing_power_ratio(audio: Audio) -> Frames:
    """The highest peak from 2 to 4 kHz over that under 2 kHz, of the mean spectrum of voiced frames, in dB, (1,)."""
    if audio.rate < 2 * RING_HZ[1]:
        raise ValueError(f"a rate of {audio.rate} Hz is too low to hear up to {RING_HZ[1]:.0f} Hz.")
    voiced = f0_track(audio).at(np.arange(1 + len(audio.samples) // HOP_SIZE) * HOP_SIZE / audio.rate) > 0
    if not voiced.any():
        raise ValueError("no voice, so that nothing rings.")
    mean = _mean_power(audio, voiced)
    hertz = np.arange(len(mean)) * audio.rate / N_FFT
    low, ring = mean[hertz < RING_HZ[0]].max(), mean[(hertz >= RING_HZ[0]) & (hertz < RING_HZ[1])].max()
    return Frames(np.array([10 * np.log10(max(ring, 1e-20) / low)]), 0.0, 1.0)


def _mean_power(audio: Audio, weights: np.ndarray) -> np.ndarray:
    # The mean of the power spectra of frames (as many as weights), (bins,); block by block, so that memory stays small.
    if len(audio.samples) < N_FFT:
        raise ValueError(f"{len(audio.samples)} samples are too few for a spectrum of {N_FFT}.")
    total, done = np.zeros(N_FFT // 2 + 1), 0
    padded = np.pad(audio.samples, N_FFT // 2)
    for block in magnitude_blocks(padded, n_fft=N_FFT, hop_size=HOP_SIZE, win_size=N_FFT):
        total += weights[done : done + len(block)] @ block.astype(np.float64) ** 2
        done += len(block)
    return total / weights.sum()


@metric("ltas", kind="pair", of=average_spectrum, unit="dB", higher_is_better=False)
def ltas(pair: Pair, rate: int) -> float:
    """Root mean square difference of the long-term average spectra in third-octave bands, each relative to its own level.

    0 up, lower is better; at the reference's rate.
    """
    refuse_silence(*pair.sounds(rate))
    return rmse(*(view.values for view in pair.views(average_spectrum, rate)))


@metric("spr", kind="pair", of=singing_power_ratio, unit="dB", higher_is_better=False, packages=("praat-parselmouth",))
def spr(pair: Pair, rate: int) -> float:
    """Difference of the singing power ratios (Omori et al. 1996): how strongly a voice rings from 2 to 4 kHz.

    0 up, lower is better; at the reference's rate.
    """
    refuse_silence(*pair.sounds(rate))
    ref, deg = pair.views(singing_power_ratio, rate)
    return float(abs(ref.values[0] - deg.values[0]))
