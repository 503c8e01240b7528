"""What a recording sounds like on average: its long-term spectrum, and how strongly a singer's voice rings."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from evaluation.metric import Frames, metric, refuse_silence
from evaluation.pitch import f0_track, rmse
from evaluation.stft import magnitude_blocks
from utils.audio import Audio

if TYPE_CHECKING:
    from evaluation.pair import Pair

N_FFT = 2048
HOP_SIZE = 512
LOWEST_HZ = 50.0
FLOOR_DB = -80.0
RING_HZ = (2000.0, 4000.0)


def average_spectrum(audio: Audio) -> Frames:
    """Mean power in third-octave bands from 50 Hz, in dB of the whole, (bands,), nothing under -80 dB. Needs 2048 samples."""
    frames = 1 + len(audio.samples) // HOP_SIZE
    power = _mean_power(audio, np.ones(frames))
    hertz = np.arange(len(power)) * audio.rate / N_FFT
    octaves = np.log2(audio.rate / 2 / LOWEST_HZ)
    thirds = np.arange(np.ceil(3 * octaves) + 1)
    edges = LOWEST_HZ * 2 ** (thirds / 3)
    bands = []
    for low, high in itertools.pairwise(edges):
        inside = (hertz >= low) & (hertz < high)
        bands.append(power[inside].sum())
    with np.errstate(divide="ignore"):
        shares = np.array(bands) / power.sum()
        decibels = 10 * np.log10(shares)
    return Frames(np.maximum(decibels, FLOOR_DB), 0.0, 1.0)


def singing_power_ratio(audio: Audio) -> Frames:
    """The highest peak from 2 to 4 kHz over that under 2 kHz, of the mean spectrum of voiced frames, in dB, (1,)."""
    lowest, highest = RING_HZ
    if audio.rate < 2 * highest:
        raise ValueError(f"a rate of {audio.rate} Hz is too low to hear up to {highest:.0f} Hz.")
    frames = 1 + len(audio.samples) // HOP_SIZE
    seconds = np.arange(frames) * HOP_SIZE / audio.rate
    voiced = f0_track(audio).at(seconds) > 0
    if not voiced.any():
        raise ValueError("no voice, so that nothing rings.")
    power = _mean_power(audio, voiced)
    hertz = np.arange(len(power)) * audio.rate / N_FFT
    ringing = (hertz >= lowest) & (hertz < highest)
    low = power[hertz < lowest].max()
    ring = power[ringing].max()
    decibels = 10 * np.log10(max(ring, 1e-20) / low)
    return Frames(np.array([decibels]), 0.0, 1.0)


def _mean_power(audio: Audio, weights: np.ndarray) -> np.ndarray:
    # The mean of the power spectra of frames (as many as weights), (bins,); block by block, so that memory stays small.
    if len(audio.samples) < N_FFT:
        raise ValueError(f"{len(audio.samples)} samples are too few for a spectrum of {N_FFT}.")
    total = np.zeros(N_FFT // 2 + 1)
    done = 0
    padded = np.pad(audio.samples, N_FFT // 2)
    for block in magnitude_blocks(padded, n_fft=N_FFT, hop_size=HOP_SIZE, win_size=N_FFT):
        end = done + len(block)
        total += weights[done:end] @ block.astype(np.float64) ** 2
        done = end
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
