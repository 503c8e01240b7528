"""Checkpoints by name: a path as it stands, or a Hugging Face id fetched once into its cache."""

from __future__ import annotations

import re
from pathlib import Path


def fetch(path: str | Path) -> Path:
    """The local folder or file of `path`; "owner/name" is downloaded from the hub where no such path exists.

    Raises ValueError when it is neither here nor there, or the hub cannot be reached.
    """
    local = Path(path).expanduser()
    if local.exists():
        return local
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(path)):
        raise ValueError(
            f"nothing at {path}: give a run, a checkpoint, a release folder, or a hub id such as amphion/vits_ljspeech."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(path)))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ValueError(
            f"{path} is no folder here, and the hub did not give it ({type(error).__name__}). "
            "Check the spelling; without a network, download it elsewhere and give the folder."
        ) from error
