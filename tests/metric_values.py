"""Every value that lies beside known recordings, and how this project arrives at it: used by tests/test_metrics_golden.py."""

from __future__ import annotations

import functools
import re

import numpy as np

from evaluation import pitch, stft, upstream, waveform
from evaluation.base import all_metrics
from evaluation.energy import frame_energy
from evaluation.metric import METRICS, UPSTREAM, Options, Ratio, chosen
from evaluation.pair import Pair, Recording
from evaluation.spectrum import mel_cepstrum
from evaluation.stft import MAGNITUDE_FLOOR
from evaluation.warp import fast_warp, warp
from utils.audio import Audio

all_metrics()
RATE = 24000
RENAMED = {"mcd_dtw_sl": "mcd", "pesq_pypesq_rawNB": "pesq", "v_uv_counts_tp_fp_fn": "v_uv_f1"}
UPSTREAM_KEY = re.compile(
    r"(?P<name>\w+?)(?P<via>_check_via_upstream_fn)?\[fs=(?P<fs>\w+)(,method=(?P<align>\w+))?(,(db_scale|need_mean)=(?P<flag>\w+))?\]"
)
# Absolute, in the unit of the metric; what the notes beside the recordings state.
UPSTREAM_TOLERANCE = {"mcd": 1e-3, "si_sdr": 1e-3, "si_snr": 1e-3}
RAW_MOS = (1.4945, 4.6607)  # slope and shift of P.862.1


def lqo(raw):
    """MOS-LQO of a raw narrow-band score, P.862.1."""
    return 0.999 + 4 / (1 + np.exp(-RAW_MOS[0] * raw + RAW_MOS[1]))


@functools.lru_cache(maxsize=8)
def recording(path, kind):
    """One side of pairs: several are compared with the same one, whose costly views are computed once.

    No view that is tried here reads what options differ in but the definition.
    """
    return Recording.read(path, Options(definition=kind))


class Known:
    """A pair of files and what it shares between its many keys."""

    def __init__(self, ref, deg):
        self.files = (ref, deg)
        self.pair = functools.cache(self._pair)
        self.plain = self.pair(Options(), "correct")
        self.cut = self.plain.cut(RATE)
        self.mels = functools.cache(self._mels)

    def _pair(self, options, kind):
        ref, deg = (recording(path, kind) for path in self.files)
        return Pair(ref, deg, options)

    def metric(self, name, align="cut", rate=RATE):
        value = self.pair(Options(align=align), "correct").score(METRICS[name], METRICS[name].rate or rate)
        return value.numerator / value.denominator if isinstance(value, Ratio) else value

    def upstream(self, key):
        """The value of upstream's key, and its tolerance."""
        if key == "similarity_resemblyzer(single pair)":
            return self.metric("similarity_resemblyzer"), 1e-4
        found = UPSTREAM_KEY.fullmatch(key)
        assert found, f"what is {key}?"
        flag = found["flag"] != "False"
        options = Options(definition="upstream", align=found["align"] or "cut", energy_db_scale=flag, f0_subtract_mean=flag)
        name = RENAMED.get(found["name"], found["name"])
        rate = UPSTREAM[name].rate_for(None if found["fs"] == "None" else int(found["fs"]), RATE)
        row, pair = UPSTREAM[name], self.pair(options, "correct" if rate == RATE else "upstream")
        value = row.score(pair, rate, **chosen(row.score, options))  # as it is: upstream may have come to inf or nan
        if found["name"] == "v_uv_counts_tp_fp_fn":
            return [value.parts[part] for part in ("tp", "fp", "fn")], 0
        if isinstance(value, Ratio):
            value = value.numerator / value.denominator
        return value, UPSTREAM_TOLERANCE.get(name, 1e-4)

    def independent(self, key):
        """What lies under the key of an independent library: a number, a list or a dictionary, and its tolerance."""
        for pattern, work, tolerance in INDEPENDENT:
            found = re.fullmatch(pattern, key)
            if found:
                return work(self, **found.groupdict()), tolerance
        raise AssertionError(f"what is {key}?")

    def _mels(self, order, alpha, fft, doubled):
        return self.plain.views(mels_of(order, alpha, fft, doubled), RATE)


@functools.cache
def mels_of(order, alpha, fft, doubled):
    """A view: cepstra with these constants."""
    return lambda sound: upstream.cepstra(sound, doubled=doubled, order=order, alpha=alpha, fft_size=fft)


def f0_statistics(ref, deg):
    counted = pitch.voicing_f1(ref, deg)
    return {
        "n_frames": len(ref),
        "n_both_voiced": int(((ref > 0) & (deg > 0)).sum()),
        "fpc_hz": or_nan(pitch.fpc, ref, deg),
        "fpc_logf0": or_nan(pitch.fpc_log, ref, deg),
        "f0rmse_hz": or_nan(pitch.f0rmse_hz, ref, deg),
        "f0rmse_cents": or_nan(pitch.f0rmse, ref, deg),
        "f0rmse_cents_median_removed": or_nan(pitch.f0rmse_centred, ref, deg),
        "gross_pitch_error": or_nan(pitch.f0_gross_error, ref, deg),
        **counted.parts,
        "v_uv_f1": counted.numerator / counted.denominator,
        "v_uv_error_rate": pitch.v_uv_error(ref, deg),
    }


def or_nan(work, *given):
    """What `work` gives, NaN where it refuses."""
    try:
        return work(*given)
    except ValueError:
        return float("nan")


def praat(known):
    return f0_statistics(*whole(known, pitch.f0_track))


def harvest(known):
    tracks = known.plain.views(_harvested, RATE)
    shorter = min(map(len, tracks))
    return f0_statistics(*(track[:shorter] for track in tracks))


def _harvested(side):
    import pyworld

    samples = side.samples.astype(float)
    f0, _ = pyworld.harvest(samples, RATE, f0_floor=65, f0_ceil=800, frame_period=1000 * 256 / RATE)
    return f0


def whole(known, of):
    """Both views of whole sounds, cut to as many frames, as these libraries were asked; our metrics cut the sounds first."""
    ref, deg = (view.values for view in known.plain.views(of, RATE))
    shorter = min(len(ref), len(deg))
    return ref[:shorter], deg[:shorter]


def of_energy(name):
    return lambda known: METRICS[name].score(*whole(known, frame_energy))


def melody(known):
    ref, deg = whole(known, pitch.f0_track)
    return {
        "voicing_recall": ((ref > 0) & (deg > 0)).sum() / (ref > 0).sum(),
        "voicing_false_alarm": ((ref == 0) & (deg > 0)).sum() / max((ref == 0).sum(), 1),
        "rpa": pitch.raw_pitch_accuracy(ref, deg),
        "rca": pitch.raw_chroma_accuracy(ref, deg),
        "oa": pitch.overall_accuracy(ref, deg),
    }


def spectral(known, window):
    convergence, log_magnitude = stft.stft_distance(*known.cut, {"hann": "hann", "rect": "boxcar"}[window], MAGNITUDE_FLOOR)
    return {"sc": convergence, "mag": log_magnitude, "sum": convergence + log_magnitude}


def mel_distance(known, kind, order, alpha, fft, align):
    doubled = kind == "pymcd_doubled_no_c0"
    sides = known.mels(int(order), float(alpha), int(fft), doubled)
    ref, deg = (cepstra[:, 1:] for cepstra in sides)
    if align == "cut":
        shorter = min(len(ref), len(deg))
        ref = ref[:shorter]
        deg = deg[:shorter]
    else:
        i, j = warp(ref, deg, max(len(ref), len(deg))).T
        ref = ref[i]
        deg = deg[j]
    return distortion(ref, deg)


def distortion(ref, deg):
    """Of mel-cepstra, in dB."""
    distances = np.linalg.norm(ref - deg, axis=1)
    return 10 * np.sqrt(2) / np.log(10) * distances.mean()


def pymcd(known, mode, fs):
    pair = known.pair(Options(definition="upstream"), "upstream")
    sides = pair.sounds(int(fs))
    views = pair.views(upstream.doubled_cepstra, int(fs))
    lengths = {len(side.samples) for side in sides}
    if mode == "plain" and len(lengths) > 1:
        views = [upstream.doubled_cepstra(padded_to(max(lengths), side)) for side in sides]
    ref, deg = (view.values for view in views)
    return upstream.pymcd(ref, deg, mode)


def padded_to(length, sound):
    lacking = length - len(sound.samples)
    return Audio(np.pad(sound.samples, (0, lacking)), sound.rate)


def versa(known, dtw):
    """ESPnet's and VERSA's: 16-bit scale, a high-pass at 70 Hz, Harvest, c0..c39.

    Without dtw whole files, zeros counted as pitches. With it F0 on voiced frames, and distortion on those above -20 dB of the mean
    power, each along a FastDTW of its own.
    """
    sides = known.plain.views(_versa_side, RATE)
    if dtw == "False":
        shorter = min(len(side[0]) for side in sides)
        (ref, f), (deg, g) = ([part[:shorter] for part in side[:2]] for side in sides)
    else:
        (ref_voiced, f), (deg_voiced, g) = ((mel[f0 > 0], f0[f0 > 0]) for mel, f0, _ in sides)
        j, i = fast_warp(deg_voiced, ref_voiced).T
        f = f[i]
        g = g[j]
        ref, deg = (mel[power > -20] for mel, _, power in sides)
        j, i = fast_warp(deg, ref).T
        ref = ref[i]
        deg = deg[j]
    f0_error = pitch.rmse(f, g)
    f0_correlation = pitch.pearson(f, g)
    return {"mcd": distortion(ref, deg), "f0rmse": f0_error, "f0corr": f0_correlation}


def _versa_side(side):
    import pyworld
    from scipy.signal import firwin, lfilter

    high_pass = firwin(255, 70 / (RATE / 2), pass_zero=False)
    sound = lfilter(high_pass, 1, side.samples.astype(float) * 32767)
    f0, times = pyworld.harvest(sound, RATE, f0_floor=40, f0_ceil=800, frame_period=5.0)
    envelope = pyworld.cheaptrick(sound, f0, times, RATE, fft_size=1024)
    power = envelope[:, 0] + 2 * envelope[:, 1:-1].sum(axis=1) + envelope[:, -1]
    decibels = 10 * np.log10(power / power.mean())
    cepstra = mel_cepstrum(np.log(envelope), 39, 0.466)
    return cepstra, f0, decibels


def by_torchaudio(known, name):
    import torch
    from torchaudio.functional import resample

    sides = [Audio(resample(torch.from_numpy(side.samples), RATE, 16000).numpy(), 16000) for side in known.cut]
    return getattr(waveform, name)(*sides)


def named(name, **more):
    return lambda known: known.metric(name, **more)


def at_16_khz(name):
    return lambda known: getattr(waveform, name)(*(side.resample(16000) for side in known.cut))


NARROW, WIDE = "pesq_narrow", "pesq_wide"
MCD = r"mcd_(?P<kind>standard|pymcd_doubled_no_c0)_c1_(?P<order>\d+)_alpha(?P<alpha>[\d.]+)_fft(?P<fft>\d+)_fs24000_(?P<align>cut|fulldtw)"
INDEPENDENT = [  # pattern of the key, how it is come by, tolerance
    (r"f0_praat_ac\[.*\]", praat, 1e-4),
    (r"f0_world_harvest\[.*\]", harvest, 1e-4),
    (r"mir_eval_melody\(.*\)", melody, 1e-6),
    (r"energy_rmse_lin_cut", of_energy("energy_rmse_linear"), 1e-4),
    (r"energy_pc_lin_cut", of_energy("energy_pc_linear"), 1e-4),
    (r"energy_rmse_db_cut", of_energy("energy_rmse"), 1e-4),
    (r"energy_pc_db_cut", of_energy("energy_pc"), 1e-4),
    (r"mstft_(?P<window>hann|rect)_fs24000_cut", spectral, 1e-4),
    (r"auraloss_MultiResolutionSTFTLoss_default_fs24000_cut", lambda k: sum(stft.stft_distance(*k.cut, "hann", 1e-4)), 1e-4),
    (r"pymcd_(?P<mode>plain|dtw|dtw_sl)_fs(?P<fs>\d+)", pymcd, 1e-3),
    (MCD, mel_distance, 1e-3),
    (r"versa_mcd_f0\[fs=24000,40-800,dim39,alpha0.466,fft1024,dtw=(?P<dtw>\w+)\]", versa, 1e-3),
    (r"pesq_nb_mos_lqo\[16k soxr_hq,cut\]", at_16_khz(NARROW), 1e-3),
    (r"pesq_wb_mos_lqo\[16k soxr_hq,cut\]", at_16_khz(WIDE), 1e-3),
    (r"pesq_nb_mos_lqo\[16k torchaudio sinc_hann,cut\]", lambda k: by_torchaudio(k, NARROW), 1e-3),
    (r"pesq_wb_mos_lqo\[16k torchaudio sinc_hann,cut\]", lambda k: by_torchaudio(k, WIDE), 1e-3),
    (r"stoi\[fs=24000,cut\]", named("stoi"), 1e-4),
    (r"estoi\[fs=24000,cut\]", named("estoi"), 1e-4),
    (r"stoi\[16k soxr_hq,cut\]", at_16_khz("stoi"), 1e-4),
    (r"estoi\[16k soxr_hq,cut\]", at_16_khz("estoi"), 1e-4),
    (r"stoi\[16k torchaudio,cut\]", lambda k: by_torchaudio(k, "stoi"), 1e-4),
    (r"estoi\[16k torchaudio,cut\]", lambda k: by_torchaudio(k, "estoi"), 1e-4),
    (r"si_sdr_(np\[fs=24000,cut\]|torchmetrics_f64|fast_bss_eval)", named("si_sdr"), 1e-3),
    (r"si_snr_(np\[fs=24000,cut\]|torchmetrics_f64)", named("si_snr"), 1e-3),
    (r"snr_torchmetrics_f64", named("snr"), 1e-3),
    (r"cosine_resemblyzer", named("similarity_resemblyzer"), 1e-4),
]
# mel_cepstral_distance is another measure altogether (MFCCs of its own); the last two say how far pypesq and pesq are apart.
FOREIGN = ("mel_cepstral_distance_lib_default", "pesq_nb_from_pypesq_raw_via_P862.1", "pesq_nb_minus_that")
