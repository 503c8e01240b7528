"""Metrics on spectra and waveforms: mel-cepstral distortion, multi-resolution STFT distance, PESQ, STOI."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from evaluation.base import Frames, metric
from utils.audio import Audio

FRAME_SECONDS = 0.005
ORDER = 24
POWER_FLOOR = 1e-8  # added to the envelope's power, so that an empty band is -80 dB and not minus infinity
WORLD_F0_FLOOR = 71.0  # Hz; WORLD's own default, and what its FFT size follows from
SHORTEST_SECONDS = 8 / WORLD_F0_FLOOR  # WORLD reads beyond sounds shorter than a few periods
BLOCK = 4096  # frames in memory at once
RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))  # FFT size, hop, window of Parallel WaveGAN
MAGNITUDE_FLOOR = 1e-7**0.5
PESQ_SECONDS = 30
PESQ_SAFE_SECONDS = 20  # 50 utterances of the shortest kind, 0.2 s and a pause of 0.2 s: what the library has room for
STOI_SECONDS = 0.4  # one segment of 30 frames


def mel_cepstra(audio: Audio) -> Frames:
    """c1..c24 of WORLD's envelope every 5 ms, (frames, 24): the log amplitude's cepstrum on a warped frequency axis."""
    import pyworld

    if audio.seconds < SHORTEST_SECONDS:
        raise ValueError(f"{audio.seconds:.3f} s of sound is too short for WORLD: it takes {SHORTEST_SECONDS:.3f} s.")
    samples, rate = audio.samples.astype(np.float64), audio.rate
    f0, times = pyworld.dio(samples, rate, f0_floor=WORLD_F0_FLOOR, frame_period=1000 * FRAME_SECONDS)
    f0 = pyworld.stonemask(samples, f0, times, rate)
    rows = [_cepstra(samples, f0[i : i + BLOCK], times[i : i + BLOCK], rate) for i in range(0, len(f0), BLOCK)]
    return Frames(np.concatenate(rows), 0.0, FRAME_SECONDS)


def _cepstra(samples: np.ndarray, f0: np.ndarray, times: np.ndarray, rate: int) -> np.ndarray:
    import pyworld

    power = pyworld.cheaptrick(samples, f0, times, rate, f0_floor=WORLD_F0_FLOOR)
    cepstrum = np.fft.irfft(np.log(power + POWER_FLOOR))[:, : power.shape[1]]
    # Folding both halves of the log power's cepstrum onto one gives that of the log amplitude, but for its two ends.
    cepstrum[:, [0, -1]] /= 2
    return cepstrum @ _warping(power.shape[1], mel_alpha(rate))[:, 1:]


@functools.cache
def _warping(n: int, alpha: float) -> np.ndarray:
    # (n, ORDER + 1): row k is the k-th power of the all-pass (z^-1 - alpha) / (1 - alpha z^-1), inverse direction, as a series.
    step = np.zeros((ORDER + 1, ORDER + 1))
    step[0, 0] = alpha
    step[1, :2] = 1 - alpha**2, alpha
    for m in range(2, ORDER + 1):
        step[m] = -alpha * step[m - 1]
        step[m, m - 1] += 1
        step[m, m] += alpha
    rows = [np.eye(ORDER + 1)[0]]
    while len(rows) < n:
        rows.append(step @ rows[-1])
    return np.stack(rows)


@functools.cache
def mel_alpha(rate: int) -> float:
    """The all-pass constant that bends the frequency axis nearest to mel: 0.41 at 16 kHz, 0.466 at 24 kHz, 0.544 at 44.1 kHz."""
    omega = np.linspace(0, np.pi, 1000, endpoint=False)
    mel = np.log1p(omega / np.pi * rate / 2 / 1000)
    alphas = np.arange(0, 1, 0.001)[:, None]
    warped = omega + 2 * np.arctan2(alphas * np.sin(omega), 1 - alphas * np.cos(omega))
    errors = ((warped / warped[:, -1:] - mel / mel[-1]) ** 2).mean(axis=1)
    return round(float(alphas[errors.argmin(), 0]), 3)


def mel_cepstrum_settings(rate: int) -> dict[str, Any]:
    """What the mel-cepstra are computed with."""
    import pyworld

    fft_size = pyworld.get_cheaptrick_fft_size(rate, WORLD_F0_FLOOR)
    return {"order": ORDER, "alpha": mel_alpha(rate), "fft_size": fft_size, "frame_seconds": FRAME_SECONDS, "floor": POWER_FLOOR}


@metric("mcd", of=mel_cepstra, unit="dB", higher_is_better=False, packages=("pyworld",), settings=mel_cepstrum_settings)
def mcd(ref: np.ndarray, deg: np.ndarray) -> float:
    """Mel-cepstral distortion, 10 sqrt(2) / ln 10 times the Euclidean distance of c1..c24, mean over frames (WORLD, 5 ms).

    Bring both sides to one level first: c0 is left out, but the floor of the envelope stands still when the level moves.
    """
    return float(10 * np.sqrt(2) / np.log(10) * np.linalg.norm(ref - deg, axis=1).mean())


def magnitude_blocks(padded: np.ndarray, *, n_fft: int, hop_size: int, win_size: int) -> Iterator[np.ndarray]:
    """Magnitude spectra under a Hann window centred in `n_fft`, (frames, bins), some frames at a time: memory stays small."""
    left = (n_fft - win_size) // 2
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_size) / win_size)
    window = np.pad(hann, (left, n_fft - win_size - left)).astype(padded.dtype)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_size]
    for i in range(0, len(frames), BLOCK):
        yield np.abs(np.fft.rfft(frames[i : i + BLOCK] * window))


def stft_distance(ref: Audio, deg: Audio) -> tuple[float, float]:
    """Spectral convergence and log-magnitude distance, each the mean over RESOLUTIONS. Raises ValueError for 1024 samples or fewer."""
    terms = [_distance_at(ref.samples, deg.samples, *resolution) for resolution in RESOLUTIONS]
    convergence, log_magnitude = np.mean(terms, axis=0)
    return float(convergence), float(log_magnitude)


def _distance_at(ref: np.ndarray, deg: np.ndarray, n_fft: int, hop_size: int, win_size: int) -> tuple[float, float]:
    if len(ref) <= n_fft // 2:
        raise ValueError(f"{len(ref)} samples are too few for an STFT of {n_fft}.")
    padded = [np.pad(side.astype(np.float64), n_fft // 2, mode="reflect") for side in (ref, deg)]
    sides = [magnitude_blocks(side, n_fft=n_fft, hop_size=hop_size, win_size=win_size) for side in padded]
    error, power, logs, count = 0.0, 0.0, 0.0, 0
    for x, y in zip(*sides, strict=True):
        x, y = np.maximum(x, MAGNITUDE_FLOOR), np.maximum(y, MAGNITUDE_FLOOR)
        error, power = error + ((x - y) ** 2).sum(), power + (x**2).sum()
        logs, count = logs + np.abs(np.log(x / y)).sum(), count + x.size
    return np.sqrt(error / power), logs / count


def stft_settings(rate: int) -> dict[str, Any]:
    """What the spectra are computed with."""
    return {"resolutions": [list(r) for r in RESOLUTIONS], "window": "hann", "magnitude_floor": MAGNITUDE_FLOOR}


@metric("mstft", higher_is_better=False, settings=stft_settings)
def mstft(ref: Audio, deg: Audio) -> float:
    """Multi-resolution STFT distance of Parallel WaveGAN: spectral convergence plus L1 distance of log magnitudes (Hann)."""
    return sum(stft_distance(ref, deg))


@metric("mstft_sc", higher_is_better=False, settings=stft_settings)
def mstft_sc(ref: Audio, deg: Audio) -> float:
    """The spectral convergence of mstft alone."""
    return stft_distance(ref, deg)[0]


@metric("mstft_mag", higher_is_better=False, settings=stft_settings)
def mstft_mag(ref: Audio, deg: Audio) -> float:
    """The log-magnitude distance of mstft alone."""
    return stft_distance(ref, deg)[1]


@metric("pesq", rate=16000, unit="MOS-LQO", higher_is_better=True, packages=("pesq",))
def pesq_wide(ref: Audio, deg: Audio) -> float:
    """Wide-band PESQ, ITU-T P.862.2, at 16 kHz: 1.04 to 4.64."""
    return _pesq(ref, deg, "wb")


@metric("pesq_nb", rate=16000, unit="MOS-LQO", higher_is_better=True, packages=("pesq",))
def pesq_narrow(ref: Audio, deg: Audio) -> float:
    """Narrow-band PESQ, ITU-T P.862 mapped by P.862.1, at 16 kHz: 1.02 to 4.55."""
    return _pesq(ref, deg, "nb")


def _pesq(ref: Audio, deg: Audio, mode: str) -> float:
    import pesq

    if ref.seconds > PESQ_SECONDS:
        raise ValueError(
            f"{ref.seconds:.1f} s is too long for PESQ, which is defined up to {PESQ_SECONDS} s (P.862.3): cut it up."
        )
    if ref.seconds > PESQ_SAFE_SECONDS:
        return _pesq_apart(ref, deg, mode)
    try:
        return pesq.pesq(ref.rate, ref.samples, deg.samples, mode)
    except pesq.PesqError as error:
        raise ValueError(error.args[0].decode()) from error


def _pesq_apart(ref: Audio, deg: Audio, mode: str) -> float:
    # The library writes past its end at 50 bursts of speech, and then takes its process with it.
    program = (
        "import sys, numpy, pesq\n"
        "ref, deg = numpy.frombuffer(sys.stdin.buffer.read(), numpy.float32).reshape(2, -1)\n"
        "print(pesq.pesq(int(sys.argv[1]), ref, deg, sys.argv[2]))"
    )
    sounds = ref.samples.tobytes() + deg.samples.tobytes()
    done = subprocess.run([sys.executable, "-c", program, str(ref.rate), mode], input=sounds, capture_output=True)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"its process ended with {done.returncode}"]
        raise ValueError(f"PESQ failed ({last[0]}): {ref.seconds:.1f} s with many pauses can be too much for it, cut it up.")
    return float(done.stdout)


@metric("stoi", higher_is_better=True, packages=("pystoi",))
def stoi(ref: Audio, deg: Audio) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), 0 to 1."""
    return _stoi(ref, deg, extended=False)


@metric("estoi", higher_is_better=True, packages=("pystoi",))
def estoi(ref: Audio, deg: Audio) -> float:
    """Extended short-time objective intelligibility (Jensen and Taal 2016), 0 to 1."""
    return _stoi(ref, deg, extended=True)


def _stoi(ref: Audio, deg: Audio, *, extended: bool) -> float:
    from pystoi import stoi as measure

    too_little = ValueError(f"less than {STOI_SECONDS} s of speech is left once pauses are cut out, too little for STOI.")
    if ref.seconds < STOI_SECONDS:
        raise too_little
    with warnings.catch_warnings(), _seeded():
        # pystoi warns and returns 0.00001 when too little speech is left: a failure in the dress of a score.
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            return float(measure(ref.samples, deg.samples, ref.rate, extended=extended))
        except RuntimeWarning as warning:
            raise too_little from warning


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    # pystoi adds noise from numpy's global generator, and normalises it up to full size where a band is digitally silent:
    # unseeded, ESTOI of such a file differs by some thousandths from call to call.
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)
