"""Amphion v0.1's own definitions, asked for with --definition upstream, so that its published numbers can be compared with.

They are kept as they are, defects included; each docstring says what differs. Where no rate is given they work at 22,050 Hz,
as upstream does. With --align dtw tracks are aligned with themselves (F0 with F0, energy with energy), and waveforms are cut:
upstream's warping of samples needs hundreds of gigabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.energy import energy_settings, frame_energy
from evaluation.metric import Frames, Ratio, metric
from evaluation.periodicity import CREPE, periodicity
from evaluation.pitch import f0_settings, f0_track, rmse, voicing_f1
from evaluation.spectrum import FRAME_SECONDS, WORLD_F0_FLOOR, mel_cepstrum
from evaluation.stft import MAGNITUDE_FLOOR, RESOLUTIONS, stft_distance
from evaluation.warp import fast_warp
from utils.audio import Audio

if TYPE_CHECKING:
    from evaluation.pair import Pair

A4 = 440.0
MOST_DTW_CELLS = 2**27  # librosa keeps two numbers of eight bytes for each
MCEP_ORDER = 13
MCEP_ALPHA = 0.65
MCEP_FFT = 512
MCEP_FLOOR = 1e-8
EPSILON = float(np.finfo(np.float32).eps)


def _aligned(ref: np.ndarray, deg: np.ndarray, align: str) -> tuple[np.ndarray, np.ndarray]:
    if align == "cut":
        shorter = min(len(ref), len(deg))
        return ref[:shorter], deg[:shorter]
    from librosa import ParameterError, sequence

    if len(ref) * len(deg) > MOST_DTW_CELLS:
        raise ValueError(f"{len(ref)} x {len(deg)} frames are too many for upstream's dtw: take --align cut.")
    try:
        path = sequence.dtw(ref[None], deg[None])[1][::-1]
    except ParameterError as error:
        raise ValueError(str(error)) from error
    return ref[path[:, 0]], deg[path[:, 1]]


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        a = a - a.mean()
        b = b - b.mean()
        power = (a * a).sum() * (b * b).sum()
        product = (a * b).sum()
        return float(product / np.sqrt(power))


def _f0(pair: Pair, rate: int, align: str, subtract: bool) -> tuple[np.ndarray, np.ndarray] | None:
    ref_view, deg_view = pair.views(f0_track, rate)
    ref = ref_view.values
    deg = deg_view.values
    if not subtract:
        return _aligned(ref, deg, align)
    ref = ref[ref > 0]
    deg = deg[deg > 0]
    if len(ref) <= 1 or len(deg) <= 1:
        return None
    return _aligned(_about_median(ref), _about_median(deg), align)


def _about_median(hertz: np.ndarray) -> np.ndarray:
    cents = 1200 * np.log2(hertz / A4)
    return cents - np.median(cents)


F0: dict[str, Any] = {"kind": "pair", "of": f0_track, "packages": ("praat-parselmouth",), "settings": f0_settings}
ENERGY: dict[str, Any] = {"kind": "pair", "of": frame_energy, "settings": energy_settings}


@metric("fpc", higher_is_better=True, definition="upstream", **F0)
def fpc(pair: Pair, rate: int, *, align: str, f0_subtract_mean: bool) -> float:
    """Upstream's F0 Pearson correlation: each file's unvoiced frames are dropped before alignment, so that contours slide apart.

    -1 to 1, higher is better; at 22,050 Hz unless told. With f0_subtract_mean in cents about the median, without in Hz and zeros
    kept. A file without voice scores 1.
    """
    tracks = _f0(pair, rate, align, f0_subtract_mean)
    return 1.0 if tracks is None else _pearson(*tracks)


@metric("f0rmse", unit="cents, or Hz", higher_is_better=False, definition="upstream", **F0)
def f0rmse(pair: Pair, rate: int, *, align: str, f0_subtract_mean: bool) -> float:
    """Upstream's F0 root mean square error: unvoiced frames are dropped from each file before alignment, its median is taken away.

    0 up, lower is better; cents at 22,050 Hz unless told; without f0_subtract_mean Hz, zeros kept. A file without voice scores 0.
    """
    tracks = _f0(pair, rate, align, f0_subtract_mean)
    return 0.0 if tracks is None else rmse(*tracks)


@metric("v_uv_f1", higher_is_better=True, definition="upstream", **F0)
def v_uv_f1(pair: Pair, rate: int, *, align: str) -> Ratio:
    """Upstream's voicing F1: with dtw the F0 tracks themselves are aligned, which hides most errors.

    0 to 1, higher is better; pooled over files; at 22,050 Hz unless told.
    """
    return voicing_f1(*_f0(pair, rate, align, False))


def _energy(pair: Pair, rate: int, align: str, in_decibels: bool) -> tuple[np.ndarray, np.ndarray]:
    tracks = [view.values for view in pair.views(frame_energy, rate)]
    if in_decibels:
        with np.errstate(divide="ignore"):
            tracks = [20 * np.log10(track) for track in tracks]
    return _aligned(*tracks, align)


@metric("energy_rmse", unit="dB, or none", higher_is_better=False, definition="upstream", **ENERGY)
def energy_rmse(pair: Pair, rate: int, *, align: str, energy_db_scale: bool) -> float:
    """Upstream's energy root mean square error: no floor, so that one frame of digital zero makes it infinite.

    0 up, lower is better; at 22,050 Hz unless told. Without energy_db_scale as it is.
    """
    with np.errstate(invalid="ignore"):
        return rmse(*_energy(pair, rate, align, energy_db_scale))


@metric("energy_pc", higher_is_better=True, definition="upstream", **ENERGY)
def energy_pc(pair: Pair, rate: int, *, align: str, energy_db_scale: bool) -> float:
    """Upstream's energy Pearson correlation, without a floor. -1 to 1, higher is better; at 22,050 Hz unless told."""
    return _pearson(*_energy(pair, rate, align, energy_db_scale))


@metric("f0_periodicity_rmse", kind="pair", higher_is_better=False, definition="upstream", **CREPE)
def f0_periodicity_rmse(pair: Pair, rate: int, *, align: str) -> float:
    """Upstream's periodicity error: with dtw periodicity is aligned with itself. 0 to 1, lower is better; at 22,050 Hz unless told."""
    ref, deg = pair.views(periodicity, rate)
    return rmse(*_aligned(ref.values, deg.values, align))


def doubled_cepstra(audio: Audio) -> Frames:
    """c0..c13 as pymcd has them, (frames, 14): WORLD's power envelope is taken for an amplitude, which doubles them."""
    values = cepstra(audio, doubled=True, order=MCEP_ORDER, alpha=MCEP_ALPHA, fft_size=MCEP_FFT)
    return Frames(values, 0.0, FRAME_SECONDS)


def cepstra(audio: Audio, *, doubled: bool, order: int, alpha: float, fft_size: int) -> np.ndarray:
    """c0..c`order` every 5 ms with constants that know no rate, (frames, order + 1), doubled as in pymcd or right."""
    import pyworld

    if audio.seconds < 8 / WORLD_F0_FLOOR:
        raise ValueError(f"{audio.seconds:.3f} s of sound is too short for WORLD: it takes {8 / WORLD_F0_FLOOR:.3f} s.")
    samples = audio.samples.astype(np.float64)
    f0, times = pyworld.dio(samples, audio.rate, frame_period=1000 * FRAME_SECONDS)
    f0 = pyworld.stonemask(samples, f0, times, audio.rate)
    power = pyworld.cheaptrick(samples, f0, times, audio.rate, fft_size=fft_size)
    if doubled:
        power = power**2
    return mel_cepstrum(np.log(power + MCEP_FLOOR), order, alpha)


def pymcd(ref: np.ndarray, deg: np.ndarray, mode: str) -> float:
    """pymcd's distance of doubled cepstra: "plain" (as many rows), "dtw", or "dtw_sl" (times the ratio of lengths)."""
    stretch = 1.0
    if mode == "dtw_sl":
        shorter, longer = sorted((len(ref), len(deg)))
        stretch = longer / shorter
    if mode != "plain":
        path = fast_warp(ref[:, 1:], deg[:, 1:])
        ref = ref[path[:, 0]]
        deg = deg[path[:, 1]]
    distances = np.linalg.norm(ref - deg, axis=1)
    decibels = 10 / np.log(10) * np.sqrt(2)
    return float(decibels * distances.mean() * stretch)


@metric("mcd", kind="pair", of=doubled_cepstra, unit="dB", higher_is_better=False, packages=("pyworld",), definition="upstream")
def mcd(pair: Pair, rate: int) -> float:
    """Upstream's mel-cepstral distortion, pymcd's dtw_sl: doubled cepstra c0..c13, blind under -40 dB, FastDTW, alpha 0.65.

    0 up, lower is better; at 22,050 Hz unless told.
    """
    ref, deg = pair.views(doubled_cepstra, rate)
    return pymcd(ref.values, deg.values, "dtw_sl")


@metric("mstft", kind="pair", higher_is_better=False, definition="upstream", settings=lambda rate: {"resolutions": RESOLUTIONS})
def mstft(pair: Pair, rate: int) -> float:
    """Upstream's multi-resolution STFT distance: no window, which leaks. 0 up, lower is better; at 22,050 Hz unless told."""
    return sum(stft_distance(*_cut(pair, rate), "boxcar", MAGNITUDE_FLOOR))


@metric("pesq", kind="pair", unit="raw MOS", higher_is_better=True, packages=("pesq",), definition="upstream")
def pesq(pair: Pair, rate: int) -> float:
    """Upstream's PESQ: narrow-band, the raw score of P.862 before its mapping to MOS-LQO, found by undoing P.862.1.

    -0.5 to 4.5, higher is better; at 16 kHz (by way of 22,050 Hz unless told). Where P.862.1 is flat the way back is coarse.
    """
    from evaluation.waveform import pesq_narrow

    ref, deg = _cut(pair, rate)
    mapped = pesq_narrow(ref.resample(16000), deg.resample(16000))
    return float((4.6607 - np.log(4 / (mapped - 0.999) - 1)) / 1.4945)


@metric("stoi", kind="pair", higher_is_better=True, packages=("pystoi",), definition="upstream")
def stoi(pair: Pair, rate: int) -> float:
    """Short-time objective intelligibility, at 22,050 Hz unless told. 0 to 1, higher is better."""
    from evaluation import waveform

    return waveform.stoi(*_cut(pair, rate))


@metric("si_sdr", kind="pair", unit="dB", higher_is_better=True, definition="upstream")
def si_sdr(pair: Pair, rate: int) -> float:
    """Scale-invariant signal-to-distortion ratio in single precision. Higher is better; dB at 22,050 Hz unless told."""
    return _ratio(*_exact(pair, rate))


@metric("si_snr", kind="pair", unit="dB", higher_is_better=True, definition="upstream")
def si_snr(pair: Pair, rate: int) -> float:
    """Scale-invariant signal-to-noise ratio in single precision. Higher is better; dB at 22,050 Hz unless told."""
    x, y = _exact(pair, rate)
    return _ratio(x - x.mean(), y - y.mean())


def _cut(pair: Pair, rate: int) -> tuple[Audio, Audio]:
    ref, deg = pair.sounds(rate)
    shorter = min(len(ref.samples), len(deg.samples))
    return Audio(ref.samples[:shorter], rate), Audio(deg.samples[:shorter], rate)


def _exact(pair: Pair, rate: int) -> tuple[np.ndarray, np.ndarray]:
    ref, deg = _cut(pair, rate)
    return ref.samples.astype(np.float64), deg.samples.astype(np.float64)


def _ratio(x: np.ndarray, y: np.ndarray) -> float:
    target = x * (x @ y + EPSILON) / (x @ x + EPSILON)
    noise = target - y
    return float(10 * np.log10((target @ target + EPSILON) / (noise @ noise + EPSILON)))
