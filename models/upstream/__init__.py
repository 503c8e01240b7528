"""Foreign checkpoints: what other programs released, read as a card and weights of ours.

One file a program, with four names: `BESIDE`, the configuration that it publishes next to its weights (a glob);
`knows(config)`, whether a file of that name is this program's; `makes(config, model_type)`, which model of ours it is;
`read(path, config, model_type)`, which turns the foreign configuration into our constructor's arguments and the state
dict into our names. A program that publishes no configuration names its weights in `BESIDE`. Nothing is guessed about
what is missing: `models.base.task.fit_weights` lists it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from models.upstream.common import Card, State

# In this order: the more particular before the more general.
PROGRAMS = (
    "amphion",
    "amphion_autoencoder",
    "diffusers_autoencoder",
    "diffusers_audioldm",
    "audioldm",
    "picoaudio",
    "openvpi",
    "transformers_vits",
    "transformers_encodec",
    "encodec",
    "facodec",
    "facodec_24khz",
    "nvidia_bigvgan",
    "yangai520",
    "jik876",
    "vocos",
    "parallel_wavegan",
    "ming024",
    "descriptinc",
    "seungwonpark",
    "melgan_hub",
    "nvidia_waveglow",
    "lmnt",
    "fatchord",
    "r9y9",
    "piper",
    "jaywalnut310",
    "sovits",
    "rvc",
    "lifeiteng",
    "naturalspeech2",
)

CONFIGURATIONS = (".json", ".yaml", ".yml", ".py")  # endings of what is a program's configuration, and never its weights


def read_foreign(path: Path, model_type: str | None = None) -> tuple[Card, State]:
    """The card and weights of a foreign folder or file. Raises ValueError saying what was looked for."""
    path = Path(path)
    reader, config = _met(path)
    if path.suffix in CONFIGURATIONS and path.is_file():
        path = path.parent  # its weights are looked for beside it
    with _named(config):
        return reader.read(path, config, model_type)


def foreign_model_type(path: Path, model_type: str | None = None) -> str:
    """The name of our model for a foreign folder or file, as its configuration tells. Raises ValueError as `read_foreign` does."""
    reader, config = _met(Path(path))
    with _named(config):
        return reader.makes(config, model_type)


def _met(path: Path) -> tuple[ModuleType, Path]:
    """The reader that knows what lies there, and the configuration by which it does."""
    readers = [import_module(f"models.upstream.{name}") for name in PROGRAMS]
    met = []
    damaged = []  # what cannot be read may be a file of nobody's, of a folder above
    for reader in readers:
        config = find(path, reader.BESIDE)
        if config is None:
            continue
        try:
            if _knows(reader, config):
                return reader, config
        except ValueError as error:
            damaged.append(error)
        met.append(config)
    if damaged:
        raise damaged[0]
    if met:
        raise ValueError(f"{met[0]} is none of the configurations that can be read: those of {', '.join(PROGRAMS)}.")
    looked_for = ", ".join(dict.fromkeys(reader.BESIDE for reader in readers))
    raise ValueError(
        f"{path} is no checkpoint of ours (no card.json) and none that is known: beside or above it there is no "
        f"{looked_for}. Put the configuration that it was published with next to it."
    )


def find(path: Path, pattern: str) -> Path | None:
    """`path` itself where it has such a name, else the file of that name in its folder, in that of a checkpoint in it, or up to two above."""
    if path.is_file() and path.match(pattern):
        return path
    folder = path if path.is_dir() else path.parent
    checkpoints = sorted(folder.glob("checkpoint/*/"))
    folders = (folder, *checkpoints, folder.parent, folder.parent.parent)
    near = (file for f in folders for file in sorted(f.glob(pattern)))
    files = filter(Path.is_file, near)
    return next(files, None)


def _knows(reader: ModuleType, config: Path) -> bool:
    with _named(config):
        return reader.knows(config)


@contextlib.contextmanager
def _named(config: Path) -> Iterator[None]:
    """Rewords what a setting that is missing, or of another kind than expected, leads to."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{config} lacks the setting {error}: it is another program's, or was cut down.") from error
    except ValueError as error:
        if str(config.parent) in str(error):
            raise
        raise ValueError(f"{config}: {error}") from error
    except (TypeError, AttributeError, IndexError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise ValueError(
            f"{config} holds a setting that is not of the kind or size that its program writes ({error or 'too large'}): "
            "compare it with a published one, or download it again."
        ) from error
