"""Which phone sounds when: a small hidden Markov model, learnt from the very corpus that it aligns.

Each phone is a left-to-right chain of states with Gaussian mixtures over cepstra, as in HTK and Kaldi's
monophone stage (Young et al., The HTK Book; Rabiner 1989, https://doi.org/10.1109/5.18626), from a flat start:
the first rounds weigh all paths (Baum-Welch), later ones the best path only (Viterbi), while the
mixtures grow. Nothing is downloaded, and tokens may be any strings.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from utils.audio import Audio
from utils.files import write_whole
from utils.log import log
from utils.parallel import cpu_count

RATE = 16000
HOP = 80  # samples: 5 ms, so that three states can pass within 15 ms
WINDOW = 400  # samples: 25 ms
N_FFT = 512
N_MEL = 40
N_CEPSTRA = 13
SECONDS = HOP / RATE  # of a frame
PHONE_STATES = 3
PAUSE_STATES = 5
SILENCE = "sil"


def log_mel(audio: Audio) -> np.ndarray:
    """Log energies of 40 mel bands, (frames, bands) every 5 ms; frame t is centred at t x 5 ms."""
    import librosa

    samples = audio.resample(RATE).samples
    samples = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1])
    spectrum = librosa.stft(samples, n_fft=N_FFT, hop_length=HOP, win_length=WINDOW, center=True, pad_mode="reflect")
    bank = librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=N_MEL, fmin=60.0)
    return np.log(np.maximum(bank @ np.abs(spectrum) ** 2, 1e-8)).T.astype(np.float32)


def cepstra(mel: np.ndarray) -> np.ndarray:
    """13 cepstra with their slopes and the slopes of those, each of mean 0 and deviation 1, (frames, 39)."""
    from scipy.fft import dct
    from scipy.signal import savgol_filter

    static = dct(mel, axis=1, norm="ortho")[:, :N_CEPSTRA]
    slope = _slope(static)
    rows = np.concatenate([static, slope, _slope(slope)], axis=1)
    return ((rows - rows.mean(0)) / (rows.std(0) + 1e-5)).astype(np.float32)


def _slope(rows: np.ndarray, reach: int = 4) -> np.ndarray:
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    n = len(rows)
    slopes = sum(k * (padded[reach + k : reach + k + n] - padded[reach - k : reach - k + n]) for k in range(1, reach + 1))
    return slopes / (2 * sum(k * k for k in range(1, reach + 1)))


@dataclass
class Chain:
    """The states that an utterance passes, in order. `jump[s]`: the state before an optional pause that ends at s - 1, or -1."""

    units: np.ndarray  # (states,) which distribution
    jump: np.ndarray  # (states,)
    owner: np.ndarray  # (states,) which token
    first_optional: int  # states at the start that may be passed over
    last_optional: int  # ... at the end

    @property
    def shortest(self) -> int:
        """Frames of the shortest path."""
        optional = sum(s - j - 1 for s, j in enumerate(self.jump) if j >= 0)
        return len(self.units) - optional - self.first_optional - self.last_optional


def chain(tokens: list[str], pauses: list[bool], names: dict[str, int]) -> Chain:
    """The chain of `tokens`; a run of pause tokens is one optional silence, which belongs to the first of them.

    Raises ValueError naming tokens that the aligner never saw.
    """
    unknown = sorted({t for t, p in zip(tokens, pauses, strict=True) if not p and t not in names})
    if unknown:
        raise ValueError(f"the aligner never saw {unknown}: delete its folder, so that it learns from all utterances again.")
    units, jump, owner = [], [], []
    before = after = 0
    for i, (token, pause) in enumerate(zip(tokens, pauses, strict=True)):
        if pause and i and pauses[i - 1]:
            continue
        if pause:
            spans, last = [0] * PAUSE_STATES, all(pauses[i:])
            before = PAUSE_STATES if not units else before
            after = PAUSE_STATES if last else 0
        else:
            start = 1 + PHONE_STATES * names[token]
            spans = list(range(start, start + PHONE_STATES))
        skips = not pause and i > 0 and pauses[i - 1] and len(units) > PAUSE_STATES
        jump += [len(units) - PAUSE_STATES - 1 if skips else -1] + [-1] * (len(spans) - 1)
        units += spans
        owner += [i] * len(spans)
    if before + after >= len(units):
        raise ValueError(f"nothing to align: all {len(tokens)} tokens are pauses.")
    return Chain(np.array(units), np.array(jump), np.array(owner), before, after)


@numba.njit(cache=True, nogil=True)
def best_path(scores, units, jump, stay, go, first, last):
    """The best state per frame (frames,), and the log likelihood; scores (frames, units of the chain)."""
    frames, states = len(scores), len(units)
    low = -1e30
    best = np.full(states, low)
    back = np.zeros((frames, states), dtype=np.int8)
    best[0] = scores[0, units[0]]
    if first > 0:
        best[first] = scores[0, units[first]]
    for t in range(1, frames):
        for s in range(min(states - 1, t + first + PAUSE_STATES * t), -1, -1):
            value, how = best[s] + stay[s], 0
            if s > 0 and best[s - 1] + go[s - 1] > value:
                value, how = best[s - 1] + go[s - 1], 1
            if jump[s] >= 0 and best[jump[s]] + go[jump[s]] > value:
                value, how = best[jump[s]] + go[jump[s]], 2
            best[s] = value + scores[t, units[s]]
            back[t, s] = how
    s = states - 1
    if last > 0 and best[s - last] > best[s]:
        s -= last
    score = best[s]
    path = np.empty(frames, dtype=np.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = s
        if back[t, s] == 1:
            s -= 1
        elif back[t, s] == 2:
            s = jump[s]
    return path, score


@numba.njit(cache=True, nogil=True)
def _add(a, b):
    high, below = (a, b) if a > b else (b, a)
    return high if high - below > 40.0 else high + np.log1p(np.exp(below - high))


@numba.njit(cache=True, nogil=True)
def occupation(scores, units, jump, stay, go, first, last):
    """How likely each unit sounds in each frame, over all paths (Baum-Welch), (frames, units); and the log likelihood."""
    frames, states = len(scores), len(units)
    low = -1e30
    forward = np.full((frames, states), low)
    forward[0, 0] = scores[0, units[0]]
    if first > 0:
        forward[0, first] = scores[0, units[first]]
    for t in range(1, frames):
        for s in range(states):
            total = forward[t - 1, s] + stay[s]
            if s > 0:
                total = _add(total, forward[t - 1, s - 1] + go[s - 1])
            if jump[s] >= 0:
                total = _add(total, forward[t - 1, jump[s]] + go[jump[s]])
            forward[t, s] = total + scores[t, units[s]]
    backward = np.full(states, low)
    backward[states - 1] = 0.0
    likelihood = forward[frames - 1, states - 1]
    if last > 0:
        backward[states - 1 - last] = 0.0
        likelihood = _add(likelihood, forward[frames - 1, states - 1 - last])
    shares = np.zeros(scores.shape, dtype=np.float32)
    after = np.empty(states)
    for t in range(frames - 1, -1, -1):
        for s in range(states):
            share = forward[t, s] + backward[s] - likelihood
            if share > -20.0:
                shares[t, units[s]] += np.exp(share)
        for s in range(states):
            after[s] = backward[s] + scores[t, units[s]]
        for s in range(states):
            backward[s] = after[s] + stay[s]
            if s + 1 < states:
                backward[s] = _add(backward[s], after[s + 1] + go[s])
        for s in range(states):
            if jump[s] >= 0:
                backward[jump[s]] = _add(backward[jump[s]], after[s] + go[jump[s]])
    return shares, likelihood


class Mixtures:
    """A Gaussian mixture with diagonal covariance for every unit: weights (units, n), means and variances (units, n, dims)."""

    def __init__(self, weights: np.ndarray, means: np.ndarray, variances: np.ndarray, stay: np.ndarray) -> None:
        self.weights, self.means, self.variances, self.stay = weights, means, variances, stay
        n = means.shape[-1]
        precision = 1 / variances
        constant = np.log(np.maximum(weights, 1e-30)) - 0.5 * (
            n * np.log(2 * np.pi) + np.log(variances).sum(-1) + (means**2 * precision).sum(-1)
        )
        self.table = np.concatenate([constant[..., None], means * precision, -0.5 * precision], -1).astype(np.float32)

    def parts(self, powers: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Log densities of each part of the mixtures of `units`, (frames, units, n); powers are 1, x, x^2."""
        table = self.table[units]
        return (powers @ table.reshape(-1, table.shape[-1]).T).reshape(len(powers), *table.shape[:2])


def powers_of(rows: np.ndarray) -> np.ndarray:
    """(frames, dims) -> 1, x, x^2: (frames, 1 + 2 dims), so that all Gaussians are one matrix product."""
    return np.concatenate([np.ones((len(rows), 1), np.float32), rows, rows**2], axis=1)


def _log_sum(parts: np.ndarray) -> np.ndarray:
    high = parts.max(-1)
    return high if parts.shape[-1] == 1 else high + np.log(np.exp(parts - high[..., None]).sum(-1))
