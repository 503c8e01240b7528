"""Amphion from your own scripts, in whatever folder they lie: `import amphion; amphion.load("pretrained/vits_kathleen")("Hello.")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amphion.names import check_names

if TYPE_CHECKING:
    from models.base.task import Task

__version__ = "0.1.0"
__all__ = ["Audio", "load"]

check_names()


def load(path: str, **options: Any) -> Task:
    """The task that `path` can do: a release, a checkpoint, a run, another program's folder or file, or a hub id.

    `amphion.load("ckpts/tts/ex1")("Hello.").write("hello.wav")`. See `models.base.task.load`.
    """
    import models

    return models.load(path, **options)


def __getattr__(name: str) -> Any:
    """`amphion.Audio`, which is not imported before it is asked for: numpy takes a tenth of a second."""
    if name != "Audio":
        raise AttributeError(f"module 'amphion' has no attribute {name!r}: it has {', '.join(__all__)}.")
    from utils.audio import Audio

    return Audio
