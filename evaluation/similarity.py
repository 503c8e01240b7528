"""Are two recordings of one speaker? The cosine of their speaker embeddings, by four networks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metric import Frames, metric, refuse_silence
from evaluation.models import absent, locate, onnx, pieces
from utils.audio import Audio

if TYPE_CHECKING:
    from evaluation.pair import Pair

RATE = 16000
WAVLM = "microsoft/wavlm-base-plus-sv"
SHORTEST_SECONDS = 0.1
PIECES = 256  # of 1.6 s, in Resemblyzer's network at once: it would take all of an hour's
FBANK = (("input", "fbank"), ("sample_rate", RATE))
CROPS = (("input", "waveform"), ("sample_rate", RATE), ("crop_seconds", 3.0), ("crops", 10))


def _row(embedding: np.ndarray) -> Frames:
    return Frames(np.asarray(embedding, dtype=np.float64).reshape(1, -1), 0.0, 1.0)


def _refuse_short(audio: Audio) -> None:
    if audio.seconds < SHORTEST_SECONDS:
        raise ValueError(f"{audio.seconds:.3f} s of sound is too short to tell a speaker: it takes {SHORTEST_SECONDS} s.")


def resemblyzer_speaker(audio: Audio, *, device: str) -> Frames:
    """Resemblyzer's embedding, (1, 256), pauses cut out. Its weights come with the package."""
    import resemblyzer

    _refuse_short(audio)
    speech = resemblyzer.preprocess_wav(audio.samples)
    if not len(speech):
        raise ValueError("no speech is left once pauses are cut out.")
    return _row(_resemblyzer(device).embed_utterance(speech))


@functools.cache
def _resemblyzer(device: str) -> Any:
    import resemblyzer
    import torch

    class Encoder(resemblyzer.VoiceEncoder):
        def forward(self, mels: torch.Tensor) -> torch.Tensor:
            blocks = [resemblyzer.VoiceEncoder.forward(self, block) for block in mels.split(PIECES)]
            return torch.cat(blocks)

    return Encoder(device, verbose=False).eval()


def wavlm_speaker(audio: Audio, *, wavlm: str, device: str) -> Frames:
    """The x-vector of a WavLM for speaker verification, (1, 512)."""
    import torch

    _refuse_short(audio)
    extractor, model = _wavlm(locate("wavlm", wavlm, WAVLM), device)
    inputs = extractor(audio.samples, sampling_rate=RATE, return_tensors="pt").to(device)
    with torch.inference_mode():
        return _row(model(**inputs).embeddings[0].cpu().numpy())


@functools.cache
def _wavlm(path: str, device: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoFeatureExtractor, WavLMForXVector

    try:
        model = WavLMForXVector.from_pretrained(path, dtype=torch.float32)  # whatever the folder keeps
        return AutoFeatureExtractor.from_pretrained(path), model.to(device).eval()
    except OSError as error:
        raise ValueError(f"no WavLM at {path}: a folder or a hub id with config.json and weights ({error}).") from error


def wespeaker_speaker(audio: Audio, *, wespeaker: str) -> Frames:
    """The embedding of a WeSpeaker network in ONNX, from 80 log-mel bands less their mean."""
    _refuse_short(audio)
    return _row(_embedded(onnx(locate("wespeaker", wespeaker), FBANK), audio))


def rawnet_speaker(audio: Audio, *, rawnet: str) -> Frames:
    """The embedding of a RawNet3 in ONNX, the mean over ten crops of three seconds."""
    _refuse_short(audio)
    return _row(_embedded(onnx(locate("rawnet", rawnet), CROPS), audio))


def _embedded(network: Any, audio: Audio) -> np.ndarray:
    samples = audio.resample(network.sample_rate).samples
    if network.config["input"] == "fbank":
        return network(_fbank(samples, network.sample_rate)[None])
    if not network.config.get("crop_seconds"):
        return network(samples[None])
    size, crops = round(network.config["crop_seconds"] * network.sample_rate), network.config["crops"]
    samples = pieces(samples, size, size)[0] if len(samples) < size else samples
    starts = np.linspace(0, len(samples) - size, crops).astype(int)
    return network(np.stack([samples[i : i + size] for i in starts])).mean(axis=0)


def _fbank(samples: np.ndarray, rate: int) -> np.ndarray:
    import torch
    from torchaudio.compliance import kaldi

    sound = torch.from_numpy(samples * np.float32(2**15))[None]
    bands = kaldi.fbank(sound, num_mel_bins=80, sample_frequency=rate, window_type="hamming", dither=0.0)
    return (bands - bands.mean(dim=0)).numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The cosine of each row of `a` with each of `b`. Raises ValueError for an embedding of zeros."""
    lengths = [np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b)]
    if not all(length.all() for length in lengths):
        raise ValueError("an embedding is zero, so that it has no direction.")
    return (a / lengths[0]) @ (b / lengths[1]).T


def _add(name: str, view: Callable[..., Frames], paper: str, **more: Any) -> None:
    def alone(pair: Pair, rate: int) -> float:
        refuse_silence(*pair.sounds(rate))
        ref, deg = pair.views(view, rate)
        return float(cosine(ref.values, deg.values)[0, 0])

    def overall(ref: np.ndarray, deg: np.ndarray) -> float:
        return float(cosine(ref, deg).mean())

    alone.__doc__ = f"Cosine of both files' speaker embeddings, {paper}. -1 to 1, higher is better; at 16 kHz."
    overall.__doc__ = f"Mean cosine of every reference with every generated file, {paper}. -1 to 1, higher is better; at 16 kHz."
    metric(f"similarity_{name}", kind="pair", of=view, rate=RATE, higher_is_better=True, **more)(alone)
    metric(f"similarity_{name}_overall", kind="set", of=view, rate=RATE, higher_is_better=True, **more)(overall)


def _no_wavlm(*, wavlm: str) -> str:
    return absent("wavlm", wavlm, WAVLM)


def _no_wespeaker(*, wespeaker: str) -> str:
    return absent("wespeaker", wespeaker, kind="FILE.onnx")


def _no_rawnet(*, rawnet: str) -> str:
    return absent("rawnet", rawnet, kind="FILE.onnx")


_add(
    "resemblyzer",
    resemblyzer_speaker,
    "by Resemblyzer (Wan et al. 2018, https://arxiv.org/abs/1710.10467)",
    packages=("resemblyzer",),
)
_add("wavlm", wavlm_speaker, "by WavLM (https://arxiv.org/abs/2110.13900)", packages=("transformers",), needs=_no_wavlm)
_add(
    "wespeaker",
    wespeaker_speaker,
    "by WeSpeaker (https://arxiv.org/abs/2210.17016)",
    packages=("onnxruntime",),
    needs=_no_wespeaker,
)
_add("rawnet", rawnet_speaker, "by RawNet3 (https://arxiv.org/abs/2203.08488)", packages=("onnxruntime",), needs=_no_rawnet)
