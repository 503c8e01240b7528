"""How well a sound fits its caption, by a network that has both in one space."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.distribution import CLAP_RATE, clap_rows
from evaluation.intelligibility import transcripts
from evaluation.metric import metric, refuse_silence
from evaluation.models import CLAP
from utils import pretrained
from utils.files import read_text

if TYPE_CHECKING:
    from evaluation.pair import Pair

CAPTION = ".txt"


def _absent(*, clap: str, ltr_path: str) -> str:
    if ltr_path and not Path(ltr_path).is_file():
        return f"finds no captions at {ltr_path}: check --ltr_path."
    return pretrained.absent(CLAP, clap)


def caption_of(pair: Pair, ltr_path: str) -> str:
    """The caption of a pair: of the list `ltr_path`, else <stem>.txt beside the reference or the generated file.

    Raises ValueError where there is none.
    """
    if ltr_path:
        caption = transcripts(ltr_path).get(pair.name, "")
        place = ltr_path
    else:
        files = [side.path.with_suffix(CAPTION) for side in (pair.ref, pair.deg) if side.path]
        there = [file for file in files if file.is_file()]
        caption = read_text(there[0]) if there else ""
        place = " or ".join(map(str, files))
    if not caption.strip():
        raise ValueError(f"there is no caption of {pair.name} in {place}: give --ltr_path FILE with lines like name.wav|caption.")
    return caption.strip()


@functools.lru_cache(maxsize=1024)
def text_vector(caption: str, place: str, device: str) -> np.ndarray:
    """CLAP's embedding of a caption, (channels,)."""
    import torch

    model = pretrained.from_transformers(place, "ClapModel", device)
    tokenizer = pretrained.preprocessor(place, "AutoTokenizer")
    tokens: Any = tokenizer([caption], return_tensors="pt", truncation=True).to(device)
    with torch.inference_mode():
        features = model.get_text_features(**tokens)
    embedding = getattr(features, "pooler_output", features)
    return embedding[0].cpu().numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """How alike two vectors are, from -1 to 1."""
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / lengths)


@metric("clap", kind="pair", of=clap_rows, rate=CLAP_RATE, higher_is_better=True, packages=("transformers",), needs=_absent)
def clap_score(pair: Pair, rate: int, *, clap: str, ltr_path: str, device: str) -> float:
    """Cosine of CLAP's embeddings of the generated sound and of its caption (Wu et al. 2023, https://arxiv.org/abs/2211.06687).

    The sound's is the mean over windows of ten seconds. -1 to 1, higher is better; at 48 kHz. Captions are those of --ltr_path, or lie
    beside the files as <stem>.txt.
    """
    refuse_silence(None, pair.deg.audio)
    caption = caption_of(pair, ltr_path)
    place = pretrained.find(CLAP, clap)
    text = text_vector(caption, place, device)
    windows = pair.deg.view(clap_rows, rate)
    sound = _mean_direction(windows.values)
    return cosine(sound, text)


def _mean_direction(windows: np.ndarray) -> np.ndarray:
    """The mean of vectors (windows, channels), each made of length 1."""
    lengths = np.linalg.norm(windows, axis=1, keepdims=True)
    return (windows / lengths).mean(axis=0)
