"""Checkpoint folders: a release plus the state to go on from. Whole or absent, whatever happens to disk or process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.base.experiment import read_card
from utils.files import disk_errors, read_json, read_weights, write_json
from utils.log import log

ORPHAN_SECONDS = 15  # how long the workers of a killed run are waited for; they look for their parent every five


class Checkpoints:
    """The checkpoints of one run: `<run>/checkpoint/step-00001000/{model.safetensors, state.pt, card.json}`.

    A folder is written under another name and renamed when complete, so that what carries its name is whole.
    `keep` newest ones stay, and the best.
    """

    def __init__(self, run: Path, *, keep: int = 2) -> None:
        self.run, self.folder, self.keep = Path(run), Path(run) / "checkpoint", keep

    def all(self) -> list[Path]:
        """Whole checkpoints, oldest first."""
        return sorted(p.parent for p in self.folder.glob("step-*/card.json"))

    def newest(self) -> Path | None:
        return self.all()[-1] if self.all() else None

    def best(self) -> Path | None:
        """The checkpoint with the least validation loss, or the newest where none was noted."""
        noted = self.folder / "best.json"
        path = self.folder / step_name(read_json(noted)["step"]) if noted.is_file() else None
        return path if path and (path / "card.json").is_file() else self.newest()

    def save(self, step: int, best_step: int, card: dict, weights: dict, state: dict) -> Path:
        """Writes the checkpoint of `step`. Raises OSError, with the last whole one named, when the disk refuses."""
        from safetensors import SafetensorError

        final = self.folder / step_name(step)
        part = self.folder / f".{final.name}.tmp"
        try:
            with disk_errors(final):
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                save_release(part, card, weights)
                torch.save(state, part / "state.pt")
                shutil.rmtree(final, ignore_errors=True)
                os.replace(part, final)
                if best_step == step:
                    write_json(self.folder / "best.json", {"step": step, **card["best"]})
        except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors wrap what the disk said
            shutil.rmtree(part, ignore_errors=True)
            raise OSError(
                f"the checkpoint {final} could not be written: {error}. The last whole one is {self.newest() or 'none'}. "
                "Free some space or mend the folder, then run the same command again: it goes on from there."
            ) from error
        self._prune()
        return final

    def _prune(self) -> None:
        kept = {*self.all()[-self.keep :], self.best()}
        for path in self.all():
            if path not in kept:
                shutil.rmtree(path)

    def state(self, folder: Path) -> dict[str, Any]:
        """What is needed to go on from `folder`. Raises ValueError when it is a release only, or damaged."""
        if not (folder / "state.pt").is_file():
            raise ValueError(f"{folder} is a release without training state: train anew with --set train.init_from={folder}.")
        return read_weights(folder / "state.pt")

    def check_same_model(self, folder: Path, card: dict[str, Any]) -> None:
        """Refuses to go on in a folder that holds another model. Raises ValueError listing what differs."""
        theirs, differences = read_card(folder), []
        for key in ("model_type", "model", "preprocess", "facts", "speakers"):
            if plain(theirs.get(key)) != plain(card.get(key)):
                differences.append(f"{key}: {_short(theirs.get(key))} there, {_short(card.get(key))} now")
        if differences:
            raise ValueError(
                f"{folder} was trained with other settings:\n  " + "\n  ".join(differences) + "\nGive this run another --name, "
                f"or begin a new one from its weights: --set train.init_from={folder}."
            )


def save_release(folder: Path, card: dict, weights: dict) -> None:
    """`model.safetensors`, then `card.json`: the card's presence says that the weights are whole."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in weights.items()}, folder / "model.safetensors")
    write_json(folder / "card.json", card)


def step_name(step: int) -> str:
    """The folder of a step, so named that sorting by name is sorting by step."""
    return f"step-{step:08d}"


def plain(value: Any) -> Any:
    """`value` as JSON would give it back, so that a tuple equals a list."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 160 else text[:157] + "..."


@contextlib.contextmanager
def lock(run: Path) -> Iterator[None]:
    """Holds `run` for this process; the system lets go of it even after SIGKILL. Raises ValueError when another holds it."""
    with disk_errors(run):
        run.mkdir(parents=True, exist_ok=True)
        file = open(run / ".lock", "a+")  # noqa: SIM115 (held until the run ends)
    with file:
        _take(file, run)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        for part in (run / "checkpoint").glob(".*.tmp"):  # what a killed run left half-written
            log.info(f"removing {part}, which was never completed.")
            shutil.rmtree(part)
        yield


def _take(file: Any, run: Path) -> None:
    begun = time.monotonic()
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip()
            # Data workers hold what their process held, and outlive its SIGKILL by some seconds.
            if time.monotonic() - begun < ORPHAN_SECONDS and holder.isdigit() and not _alive(int(holder)):
                time.sleep(0.2)
                continue
            raise ValueError(
                f"another run (process {holder or 'unknown'}) is training in {run}: wait for it, or choose another --name."
            ) from error


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def random_state() -> dict[str, Any]:
    """The state of every source of chance, as plain tensors and numbers (so that it loads without pickle)."""
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Takes back what `random_state` gave."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
