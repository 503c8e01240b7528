"""Retrieval, as RVC has it: what a singer said, in place of it what the voice itself said most like it, out of the index of its training.

Such an index is a file of FAISS (package faiss-cpu), added_*.index beside the voice: the content of all that the voice was trained on.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NEIGHBOURS = 8
AT_ONCE = 1000  # frames, whose neighbours fit any memory
LEAST = 1e-12  # of a distance: a frame that the voice has itself is taken as it is
NOT_THERE = 'index needs the package faiss-cpu: pip install -e ".[svc]" has all that conversion needs.'


@dataclass(frozen=True, eq=False)
class VoiceIndex:
    """`frames` (frames, channels) of a voice, and what finds the nearest of them."""

    file: str
    frames: np.ndarray
    searcher: Any

    def nearest(self, content: np.ndarray) -> np.ndarray:
        """For each frame of `content` (frames, channels) the mean of the eight nearest, the nearer the more they count.

        By one over the square of FAISS's distance, which itself is a sum of squares. A frame stays that has none near it.
        Raises ValueError for another number of channels.
        """
        channels = content.shape[1]
        width = self.frames.shape[1]
        if channels != width:
            raise ValueError(
                f"index: {self.file} holds content of {width} channels, and this voice reads {channels} "
                "(256 is RVC v1, 768 is v2): name the index of this voice."
            )
        found = np.empty(content.shape, dtype=np.float32)
        for first in range(0, len(content), AT_ONCE):
            block = slice(first, first + AT_ONCE)
            found[block] = self._mean(content[block])
        return found

    def _mean(self, content: np.ndarray) -> np.ndarray:
        queries = np.ascontiguousarray(content, dtype=np.float32)
        distances, rows = self.searcher.search(queries, NEIGHBOURS)
        apart = np.maximum(distances, LEAST, dtype=np.float64)
        nearness = 1 / apart**2
        nearness[rows < 0] = 0  # an index that looks through a part of its frames may find fewer than eight
        total = nearness.sum(axis=1, keepdims=True)
        weights = nearness / np.maximum(total, LEAST**2)
        neighbours = self.frames[rows]
        mean = np.einsum("fn,fnc->fc", weights, neighbours)
        return np.where(total > 0, mean, content)


def read(file: str | Path) -> VoiceIndex:
    """The index of a voice, read once while its file stays as it is. Raises ValueError for one that is none, or holds nothing."""
    path = Path(file)
    if importlib.util.find_spec("faiss") is None:
        raise ValueError(NOT_THERE)
    if not path.is_file():
        raise ValueError(f"index: there is no file {file}: name the added_*.index that was published with the voice.")
    return _read(str(path), path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _read(file: str, changed: int) -> VoiceIndex:
    import faiss

    try:
        searcher = faiss.read_index(file)
        frames = searcher.reconstruct_n(0, searcher.ntotal)
    except (RuntimeError, MemoryError) as error:
        raise ValueError(f"index: {file} is damaged, or no index of FAISS: download the voice's added_*.index again.") from error
    if not len(frames):
        raise ValueError(f"index: {file} is empty, as RVC's trained_*.index is: name the added_*.index beside it.")
    if searcher.metric_type != faiss.METRIC_L2 or not np.isfinite(frames).all():
        raise ValueError(f"index: {file} does not hold content by its distance (L2), or holds NaN: it is none of RVC's.")
    return VoiceIndex(file, frames, searcher)
