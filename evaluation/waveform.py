"""Metrics on waveforms: PESQ, STOI, and the ratios of signal to what was added to it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import warnings
from collections.abc import Iterator

import numpy as np

from evaluation.metric import metric
from utils.audio import Audio
from utils.files import ROOT

PESQ_SECONDS = 30
PESQ_SAFE_SECONDS = 20  # 50 utterances of the shortest kind, 0.2 s and a pause of 0.2 s: what the library has room for
STOI_SECONDS = 0.4  # one segment of 30 frames
STOI_LONGEST_SECONDS = 600  # the library holds every segment at once, half a gigabyte for ten minutes
MOST_DECIBELS = 100.0  # of a ratio: single precision ends there, and identical files would be infinite


@metric("pesq", rate=16000, unit="MOS-LQO", higher_is_better=True, packages=("pesq",))
def pesq_wide(ref: Audio, deg: Audio) -> float:
    """Wide-band PESQ (ITU-T P.862.2), as MOS-LQO at 16 kHz. 1.04 to 4.64, higher is better. Upstream's definition differs."""
    return _pesq(ref, deg, "wb")


@metric("pesq_nb", rate=16000, unit="MOS-LQO", higher_is_better=True, packages=("pesq",))
def pesq_narrow(ref: Audio, deg: Audio) -> float:
    """Narrow-band PESQ (ITU-T P.862 mapped by P.862.1), as MOS-LQO at 16 kHz. 1.02 to 4.55, higher is better."""
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
        "from utils.processes import kill_when_orphaned\n"
        "kill_when_orphaned()\n"
        "ref, deg = numpy.frombuffer(sys.stdin.buffer.read(), numpy.float32).reshape(2, -1)\n"
        "print(pesq.pesq(int(sys.argv[1]), ref, deg, sys.argv[2]))"
    )
    sounds = ref.samples.tobytes() + deg.samples.tobytes()
    done = subprocess.run([sys.executable, "-c", program, str(ref.rate), mode], input=sounds, capture_output=True, cwd=ROOT)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"its process ended with {done.returncode}"]
        raise ValueError(f"PESQ failed ({last[0]}): {ref.seconds:.1f} s with many pauses can be too much for it, cut it up.")
    return float(done.stdout)


@metric("stoi", higher_is_better=True, packages=("pystoi",))
def stoi(ref: Audio, deg: Audio) -> float:
    """Short-time objective intelligibility (Taal et al. 2011). 0 to 1, higher is better; at the reference's rate, measured at 10 kHz."""
    return _stoi(ref, deg, extended=False)


@metric("estoi", higher_is_better=True, packages=("pystoi",))
def estoi(ref: Audio, deg: Audio) -> float:
    """Extended short-time objective intelligibility (Jensen and Taal 2016). 0 to 1, higher is better; at the reference's rate."""
    return _stoi(ref, deg, extended=True)


def _stoi(ref: Audio, deg: Audio, *, extended: bool) -> float:
    from pystoi import stoi as measure

    too_little = ValueError(f"less than {STOI_SECONDS} s of speech is left once pauses are cut out, too little for STOI.")
    if ref.seconds < STOI_SECONDS:
        raise too_little
    if ref.seconds > STOI_LONGEST_SECONDS:
        raise ValueError(
            f"{ref.seconds:.0f} s is too long for STOI, which would fill the memory: cut it up, {STOI_LONGEST_SECONDS} s at most."
        )
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


@metric("si_sdr", unit="dB", higher_is_better=True)
def si_sdr(ref: Audio, deg: Audio) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2018, https://arxiv.org/abs/1811.02508), means left in.

    Up to 100 dB, higher is better; at the reference's rate. Of a resynthesis it says little: it wants the phase.
    """
    return _scale_invariant(*_exact(ref, deg))


@metric("si_snr", unit="dB", higher_is_better=True)
def si_snr(ref: Audio, deg: Audio) -> float:
    """Scale-invariant signal-to-noise ratio (Luo and Mesgarani 2018): si_sdr with the mean of each side taken away.

    Up to 100 dB, higher is better; at the reference's rate.
    """
    x, y = _exact(ref, deg)
    return _scale_invariant(x - x.mean(), y - y.mean())


@metric("snr", unit="dB", higher_is_better=True)
def snr(ref: Audio, deg: Audio) -> float:
    """Signal-to-noise ratio, taking the reference for the signal and the difference for the noise.

    Up to 100 dB, higher is better; at the reference's rate.
    """
    x, y = _exact(ref, deg)
    return _ratio(x, y - x)


def _exact(ref: Audio, deg: Audio) -> tuple[np.ndarray, np.ndarray]:
    if not len(ref.samples):
        raise ValueError("no samples are too few for a ratio.")
    return ref.samples.astype(np.float64), deg.samples.astype(np.float64)


def _scale_invariant(x: np.ndarray, y: np.ndarray) -> float:
    target = x * (x @ y) / (x @ x)
    return _ratio(target, y - target)


def _ratio(signal: np.ndarray, noise: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(min(10 * np.log10((signal @ signal) / max(noise @ noise, 1e-300)), MOST_DECIBELS))
