"""Distances between two folders as wholes: Fréchet and kernel distances, inception score, and the divergence of class beliefs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metric import Frames, metric, refuse_silence
from evaluation.models import CLAP, CLASSIFIER, VGGISH
from utils import pretrained
from utils.audio import Audio, pieces
from utils.files import read_array

if TYPE_CHECKING:
    from evaluation.pair import Pair

SPLITS = 10  # of the inception score
SEED = 2020
TINY = 1e-300  # whose logarithm is still a number
CLAP_RATE = 48000
EPSILON = 1e-6  # audioldm_eval's


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of two Gaussians fitted to rows, (n, size) and (m, size), in double precision; never under 0.

    Raises ValueError for fewer than two rows on a side.
    """
    a = np.asarray(a, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    fewest = min(len(a), len(b))
    if fewest < 2:
        raise ValueError("a distribution needs at least two embeddings a side: more or longer recordings are needed.")
    covariance_a = np.atleast_2d(np.cov(a, rowvar=False))
    covariance_b = np.atleast_2d(np.cov(b, rowvar=False))
    values, vectors = np.linalg.eigh(covariance_a)
    deviations = np.sqrt(values.clip(min=0))
    root = (vectors * deviations) @ vectors.T
    products = np.linalg.eigvalsh(root @ covariance_b @ root)
    cross = np.sqrt(products.clip(min=0)).sum()
    shift = a.mean(axis=0) - b.mean(axis=0)
    variance_a = np.trace(covariance_a)
    variance_b = np.trace(covariance_b)
    distance = shift @ shift + variance_a + variance_b - 2 * cross
    return float(max(distance, 0.0))


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x . y / size + 1)^3; may fall under 0 for one distribution."""
    a = np.asarray(a, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    if min(len(a), len(b)) < 2:
        raise ValueError("a distribution needs at least two embeddings a side: more recordings are needed.")
    within_a = _mean_of_others(_kernel(a, a))
    within_b = _mean_of_others(_kernel(b, b))
    between = _kernel(a, b).mean()
    return float(within_a + within_b - 2 * between)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a @ b.T) / a.shape[1] + 1) ** 3


def _mean_of_others(kernel: np.ndarray) -> float:
    # The diagonal compares an embedding with itself.
    n = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Beliefs from logits, along the last axis, in double precision."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Beliefs in each class for itself, in double precision."""
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def inception_score(logits: np.ndarray, splits: int = SPLITS, *, shuffle: bool = True) -> tuple[float, float]:
    """Mean and standard deviation over `splits` parts of exp(mean KL of beliefs to their mean); rows are (files, classes)."""
    count = len(logits)
    order = np.random.RandomState(SEED).permutation(count) if shuffle else np.arange(count)
    beliefs = softmax(logits[order])
    scores = []
    for i in range(splits):
        begin = i * count // splits
        end = (i + 1) * count // splits
        part = beliefs[begin:end]
        mean = part.mean(axis=0)
        differences = _log(part) - _log(mean)
        divergences = (part * differences).sum(axis=1)
        scores.append(np.exp(divergences.mean()))
    return float(np.mean(scores)), float(np.std(scores))


def _log(beliefs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(beliefs, TINY))


def divergence(ref: np.ndarray, deg: np.ndarray) -> float:
    """KL(ref || deg) of the softmax of logits, mean over rows, in nats."""
    p = np.maximum(softmax(ref), TINY)
    q = np.maximum(softmax(deg), TINY)
    divergences = (p * (np.log(p) - np.log(q))).sum(axis=-1)
    return float(divergences.mean())


def bernoulli_divergence(ref: np.ndarray, deg: np.ndarray) -> float:
    """KL(ref || deg) of each class for itself, the sigmoid of its logit, summed over classes, mean over rows, in nats."""
    ref = ref.astype(np.float64)
    deg = deg.astype(np.float64)
    p = sigmoid(ref)
    present = np.logaddexp(0, -deg) - np.logaddexp(0, -ref)
    absent = np.logaddexp(0, deg) - np.logaddexp(0, ref)
    expected = p * present + (1 - p) * absent
    divergences = expected.sum(axis=-1)
    return float(divergences.mean())


def loose_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Sum of p (log p - log(q + 1e-6)), mean over rows: audioldm_eval's, which lets identical beliefs fall under 0."""
    divergences = (p * (_log(p) - np.log(q + EPSILON))).sum(axis=-1)
    return float(divergences.mean())


def vggish_rows(audio: Audio, *, vggish: str, device: str) -> Frames:
    """An embedding of VGGish for every 0.96 s, (examples, 128), without PCA and the last activation."""
    import torch

    from evaluation.networks import VGGish, vggish_examples

    examples = torch.from_numpy(vggish_examples(audio.samples)).float().to(device)
    model = pretrained.from_weights(pretrained.find(VGGISH, vggish), VGGish, device)
    with torch.inference_mode():
        embeddings = model(examples)
    return Frames(embeddings.cpu().numpy(), 0.0, 0.96)


def clap_rows(audio: Audio, *, clap: str, device: str) -> Frames:
    """CLAP's embedding of every ten seconds (or what the model takes at once), each alone, (windows, 512)."""
    import torch

    place = pretrained.find(CLAP, clap)
    model = pretrained.from_transformers(place, "ClapModel", device)
    extractor = pretrained.preprocessor(place)
    size = extractor.nb_max_samples  # of what is longer it would take a part at random
    rows = []
    for window in pieces(audio.samples, min(len(audio.samples), size), size):
        inputs = extractor(window, sampling_rate=CLAP_RATE, return_tensors="pt").to(device)
        with torch.inference_mode():
            features = model.get_audio_features(**inputs)
        embedding = getattr(features, "pooler_output", features)
        rows.append(embedding.cpu().numpy())
    return Frames(np.concatenate(rows), 0.0, 10.0)


def given_rows(audio: Audio, *, path: Path) -> Frames:
    """The embeddings that lie beside a recording, <stem>.npy, (size,) or (rows, size). Raises ValueError when they do not."""
    file = path.with_suffix(".npy")
    if not file.is_file():
        raise ValueError(f"no embeddings at {file}: fad_given wants an array beside each recording.")
    rows = np.atleast_2d(read_array(file))
    if rows.ndim != 2 or rows.dtype.kind not in "fiu" or not np.isfinite(rows).all():
        raise ValueError(f"{file} must hold finite numbers, (size,) or (rows, size); its shape is {rows.shape}.")
    return Frames(rows, 0.0, 1.0)


@functools.lru_cache(maxsize=2)  # the two views below are asked for one after the other
def _classified(audio: Audio, path: str, device: str) -> tuple[np.ndarray, np.ndarray]:
    if Path(path).is_dir() or path.endswith(".onnx"):
        network = pretrained.onnx(path)
        sound = audio.resample(network.sample_rate).samples[None]
        return network(sound, "embedding"), network(sound, "logits")
    import torch

    from evaluation.networks import Cnn14

    model = pretrained.from_weights(path, Cnn14, device)
    sound = torch.from_numpy(audio.resample(model.sample_rate).samples)[None].to(device)
    if sound.shape[1] < model.hop_size * 2**5:
        raise ValueError(f"{audio.seconds:.2f} s of sound is too short for the classifier.")
    with torch.inference_mode():
        embedding, logits = model(sound)
    return embedding.cpu().numpy(), logits.cpu().numpy()


def class_embedding(audio: Audio, *, classifier: str, device: str) -> Frames:
    """The classifier's last hidden layer, (1, size)."""
    embedding, _ = _classified(audio, pretrained.find(CLASSIFIER, classifier), device)
    return Frames(embedding, 0.0, 1.0)


def class_logits(audio: Audio, *, classifier: str, device: str) -> Frames:
    """The classifier's logits, (1, classes)."""
    _, logits = _classified(audio, pretrained.find(CLASSIFIER, classifier), device)
    return Frames(logits, 0.0, 1.0)


def _no_vggish(*, vggish: str) -> str:
    return pretrained.absent(VGGISH, vggish)


def _no_clap(*, clap: str) -> str:
    return pretrained.absent(CLAP, clap)


def _no_classifier(*, classifier: str) -> str:
    return pretrained.absent(CLASSIFIER, classifier)


FOLDERS: dict[str, Any] = {"kind": "set", "higher_is_better": False}
CLASSES: dict[str, Any] = {"needs": _no_classifier}


@metric("fad_vggish", of=vggish_rows, rate=16000, needs=_no_vggish, **FOLDERS)
def fad_vggish(ref: np.ndarray, deg: np.ndarray) -> float:
    """Fréchet audio distance (Kilgour et al. 2019, https://arxiv.org/abs/1812.08466) on VGGish, no PCA, no last activation.

    0 up, lower is better; at 16 kHz. Of few recordings it is too large: some hundreds of embeddings a side are wanted.
    """
    return frechet(ref, deg)


@metric("fad_clap", of=clap_rows, rate=CLAP_RATE, packages=("transformers",), needs=_no_clap, **FOLDERS)
def fad_clap(ref: np.ndarray, deg: np.ndarray) -> float:
    """Fréchet audio distance on CLAP (Gui et al. 2023, https://arxiv.org/abs/2311.01616). 0 up, lower is better; at 48 kHz."""
    return frechet(ref, deg)


def _no_given(*, fad_model: str) -> str:
    if fad_model == "given":
        return ""
    return "compares embeddings of your own, <stem>.npy beside each recording: give --fad_model given."


@metric("fad_given", of=given_rows, needs=_no_given, **FOLDERS)
def fad_given(ref: np.ndarray, deg: np.ndarray) -> float:
    """Fréchet distance of embeddings that lie beside the recordings as <stem>.npy. 0 up, lower is better; any rate."""
    return frechet(ref, deg)


@metric("fd", of=class_embedding, **CLASSES, **FOLDERS)
def fd(ref: np.ndarray, deg: np.ndarray) -> float:
    """Fréchet distance on a classifier's last hidden layer, PANNs' Cnn14 in AudioLDM (https://arxiv.org/abs/2301.12503).

    0 up, lower is better; at the classifier's rate.
    """
    return frechet(ref, deg)


@metric("kd", of=class_embedding, **CLASSES, **FOLDERS)
def kd(ref: np.ndarray, deg: np.ndarray) -> float:
    """Kernel distance (Bińkowski et al. 2018, https://arxiv.org/abs/1801.01401) on the last hidden layer of a classifier, unbiased.

    About 0 up, lower is better; at the classifier's rate.
    """
    return kernel_distance(ref, deg)


@metric("is", kind="set", of=class_logits, higher_is_better=True, **CLASSES)
def inception(ref: np.ndarray, deg: np.ndarray) -> float:
    """Inception score of the generated folder (Salimans et al. 2016, https://arxiv.org/abs/1606.03498).

    The mean over ten shuffled parts, or all at once under 20 files. 1 up, higher is better; at the classifier's rate.
    """
    return inception_score(deg, SPLITS if len(deg) >= 2 * SPLITS else 1)[0]


def _logits(pair: Pair, rate: int) -> tuple[np.ndarray, np.ndarray]:
    refuse_silence(*pair.sounds(rate))
    return tuple(view.values for view in pair.views(class_logits, rate))


BELIEFS: dict[str, Any] = {"kind": "pair", "of": class_logits, "unit": "nats", "higher_is_better": False, **CLASSES}


@metric("kl", **BELIEFS)
def kl(pair: Pair, rate: int) -> float:
    """KL(reference || generated) of a classifier's beliefs (softmax), pair by pair. 0 up, lower is better; at the classifier's rate."""
    return divergence(*_logits(pair, rate))


@metric("kl_sigmoid", **BELIEFS)
def kl_sigmoid(pair: Pair, rate: int) -> float:
    """KL(reference || generated) of each class for itself (sigmoid), summed. 0 up, lower is better; at the classifier's rate."""
    return bernoulli_divergence(*_logits(pair, rate))


@metric("kl", definition="upstream", **BELIEFS)
def upstream_kl(pair: Pair, rate: int) -> float:
    """KL as audioldm_eval has it, 1e-6 added to beliefs (softmax). About 0 up, lower is better; at the classifier's rate."""
    ref, deg = _logits(pair, rate)
    return loose_divergence(softmax(ref), softmax(deg))


@metric("kl_sigmoid", definition="upstream", **BELIEFS)
def upstream_kl_sigmoid(pair: Pair, rate: int) -> float:
    """KL as audioldm_eval has it (sigmoid): no term for absent classes. May fall under 0, lower is better; at the classifier's rate."""
    ref, deg = _logits(pair, rate)
    return loose_divergence(sigmoid(ref), sigmoid(deg))
