"""Are two recordings of one speaker? The cosine of their speaker embeddings, by four networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metric import Frames, metric, refuse_silence
from evaluation.models import RAWNET, WAVLM, WESPEAKER
from utils import pretrained
from utils.audio import Audio, pieces

if TYPE_CHECKING:
    from evaluation.pair import Pair
    from utils.onnx_network import Onnx

RATE = 16000
SHORTEST_SECONDS = 0.1
# What a network in ONNX takes, where its config.json does not say.
FBANK = {"input": "fbank"}
CROPS = {"input": "waveform", "crop_seconds": 3.0, "crops": 10}


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
    encoder = pretrained.resemblyzer(device)
    return _row(encoder.embed_utterance(speech))


def wavlm_speaker(audio: Audio, *, wavlm: str, device: str) -> Frames:
    """The x-vector of a WavLM for speaker verification, (1, 512)."""
    import torch

    _refuse_short(audio)
    place = pretrained.find(WAVLM, wavlm)
    model = pretrained.from_transformers(place, "WavLMForXVector", device)
    extractor = pretrained.preprocessor(place)
    inputs = extractor(audio.samples, sampling_rate=RATE, return_tensors="pt").to(device)
    with torch.inference_mode():
        embeddings = model(**inputs).embeddings
    return _row(embeddings[0].cpu().numpy())


def wespeaker_speaker(audio: Audio, *, wespeaker: str) -> Frames:
    """The embedding of a WeSpeaker network in ONNX, from 80 log-mel bands less their mean."""
    _refuse_short(audio)
    network = pretrained.onnx(pretrained.find(WESPEAKER, wespeaker))
    return _row(_embedding(network, audio, FBANK))


def rawnet_speaker(audio: Audio, *, rawnet: str) -> Frames:
    """The embedding of a RawNet3 in ONNX, the mean over ten crops of three seconds."""
    _refuse_short(audio)
    network = pretrained.onnx(pretrained.find(RAWNET, rawnet))
    return _row(_embedding(network, audio, CROPS))


def _embedding(network: Onnx, audio: Audio, defaults: dict[str, Any]) -> np.ndarray:
    settings = defaults | network.settings
    rate = network.sample_rate
    samples = audio.resample(rate).samples
    if settings["input"] == "fbank":
        bands = _fbank(samples, rate)
        return network(bands[None])
    crop_seconds = settings.get("crop_seconds")
    if not crop_seconds:
        return network(samples[None])
    size = round(crop_seconds * rate)
    crops = _crops(samples, size, settings["crops"])
    return network(crops).mean(axis=0)


def _crops(samples: np.ndarray, size: int, count: int) -> np.ndarray:
    if len(samples) < size:
        samples = pieces(samples, size, size)[0]
    starts = np.linspace(0, len(samples) - size, count).astype(int)
    return np.stack([samples[start : start + size] for start in starts])


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
        likeness = cosine(ref.values, deg.values)
        return float(likeness[0, 0])

    def overall(ref: np.ndarray, deg: np.ndarray) -> float:
        return float(cosine(ref, deg).mean())

    alone.__doc__ = f"Cosine of both files' speaker embeddings, {paper}. -1 to 1, higher is better; at 16 kHz."
    overall.__doc__ = f"Mean cosine of every reference with every generated file, {paper}. -1 to 1, higher is better; at 16 kHz."
    common = {"of": view, "rate": RATE, "higher_is_better": True, **more}
    metric(f"similarity_{name}", kind="pair", **common)(alone)
    metric(f"similarity_{name}_overall", kind="set", **common)(overall)


def _no_wavlm(*, wavlm: str) -> str:
    return pretrained.absent(WAVLM, wavlm)


def _no_wespeaker(*, wespeaker: str) -> str:
    return pretrained.absent(WESPEAKER, wespeaker)


def _no_rawnet(*, rawnet: str) -> str:
    return pretrained.absent(RAWNET, rawnet)


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
