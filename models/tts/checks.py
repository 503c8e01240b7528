"""What text-to-speech models refuse, or name, of their settings and batches."""

from __future__ import annotations

from typing import Any

from utils.log import log


def refuse_even(**kernels: tuple[int, ...]) -> None:
    """Raises ValueError for an even kernel: its output would not be as long as its input."""
    for name, sizes in kernels.items():
        if any(size < 1 or size % 2 == 0 for size in sizes):
            shown = sizes if len(sizes) > 1 else sizes[0]
            raise ValueError(f"{name}: {shown} must be odd, for example 3, 5 or 9.")


def name_the_short(batch: dict[str, Any]) -> None:
    """Warns of utterances that have fewer frames than tokens: each token must last for one at least."""
    lengths = zip(batch["id"], batch["frames"], batch["tokens"], strict=True)
    short = [name for name, frames, tokens in lengths if frames < tokens]
    if short:
        log.warning(f"fewer frames than tokens, is the text longer than the recording? {', '.join(short)}")
