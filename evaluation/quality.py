"""DNSMOS: an estimate of the mean opinion score of a recording by itself (Reddy et al. 2022, https://arxiv.org/abs/2110.01763)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.metric import metric
from evaluation.models import DNSMOS
from utils import pretrained
from utils.audio import Audio, pieces

RATE = 16000
WINDOW_SECONDS = 9.01
HOP_SECONDS = 1.0
# From what the network gives to the scale of listeners: highest power first.
CURVES = {
    "signal": (-0.08397278, 1.22083953, 0.0052439),
    "background": (-0.13166888, 1.60915514, -0.39604546),
    "overall": (-0.06766283, 1.11546468, 0.04602535),
}
FILES = ("sig_bak_ovr.onnx", "model_v8.onnx")


def no_dnsmos(*, dnsmos: str) -> str:
    """Why there is no DNSMOS, or ""."""
    why = pretrained.absent(DNSMOS, dnsmos)
    if why:
        return why
    folder = pretrained.locate(DNSMOS, dnsmos)
    lacking = [name for name in FILES if not (Path(folder) / name).is_file()]
    return f"finds no {' and no '.join(lacking)} in {folder}." if lacking else ""


@functools.lru_cache(maxsize=2)
def _opinions(audio: Audio, folder: str) -> dict[str, float]:
    network = pretrained.onnx(str(Path(folder) / FILES[0]))
    rows = []
    for window in _windows(audio):
        row = network(window[None])
        rows.append(row)
    raw = np.concatenate(rows)
    opinions = {}
    columns = raw.transpose()
    for column, (name, curve) in zip(columns, CURVES.items(), strict=True):
        scores = np.polyval(curve, column)
        opinions[name] = float(scores.mean())
    return opinions


def _windows(audio: Audio) -> np.ndarray:
    return pieces(audio.samples, round(WINDOW_SECONDS * RATE), round(HOP_SECONDS * RATE))


KIND: dict[str, Any] = {
    "kind": "generated",
    "rate": RATE,
    "unit": "MOS",
    "higher_is_better": True,
    "packages": ("onnxruntime",),
    "needs": no_dnsmos,
}


@metric("dnsmos", **KIND)
def overall(deg: Audio, *, dnsmos: str) -> float:
    """DNSMOS P.835, overall quality of the generated file alone. 1 to 5, higher is better; at 16 kHz."""
    return _opinions(deg, pretrained.find(DNSMOS, dnsmos))["overall"]


@metric("dnsmos_signal", **KIND)
def signal(deg: Audio, *, dnsmos: str) -> float:
    """DNSMOS P.835, quality of the speech in the generated file alone. 1 to 5, higher is better; at 16 kHz."""
    return _opinions(deg, pretrained.find(DNSMOS, dnsmos))["signal"]


@metric("dnsmos_background", **KIND)
def background(deg: Audio, *, dnsmos: str) -> float:
    """DNSMOS P.835, absence of background noise in the generated file alone. 1 to 5, higher is better; at 16 kHz."""
    return _opinions(deg, pretrained.find(DNSMOS, dnsmos))["background"]


@metric("dnsmos_p808", **KIND)
def p808(deg: Audio, *, dnsmos: str) -> float:
    """DNSMOS P.808, quality of the generated file alone (https://arxiv.org/abs/2010.15258). 1 to 5, higher is better; at 16 kHz."""
    import librosa

    folder = pretrained.find(DNSMOS, dnsmos)
    network = pretrained.onnx(str(Path(folder) / FILES[1]))
    scores = []
    for window in _windows(deg):
        mel = librosa.feature.melspectrogram(y=window[:-160], sr=RATE, n_fft=321, hop_length=160, n_mels=120)
        decibels = librosa.power_to_db(mel, ref=np.max)
        frames = decibels.T[None]
        score = network((frames + 40) / 40)
        scores.append(score.item())
    return float(np.mean(scores))
