"""Checkpoint folders: a release plus the state to go on from. Whole or absent, whatever happens to disk, power or process."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.base.card import read_card, settings_in_groups
from utils.files import disk_errors, flush, json_text, read_weights, write_json, write_whole
from utils.log import log


class Checkpoints:
    """The checkpoints of one run: `<run>/checkpoint/step-00001000/{model.safetensors, state.pt, card.json}`.

    A folder is written under another name, flushed to the disk and renamed when complete, and is renamed again before it is
    deleted, so that what carries its name is whole. `keep` newest ones stay, and the best. `best.json` says which that is.
    """

    def __init__(self, run: Path, *, keep: int = 2) -> None:
        self.run, self.folder, self.keep = Path(run), Path(run) / "checkpoint", keep

    def all(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted(path for path in self.folder.glob("step-*") if path.is_dir())

    def newest(self) -> Path | None:
        return self.all()[-1] if self.all() else None

    def best(self) -> Path | None:
        """The checkpoint with the least validation loss, or the newest where none was noted.

        What was the best when it was validated says so in its card, which no kill can part from its weights.
        """
        noted = [path for path in self.all() if _was_best(path)]
        return noted[-1] if noted else self.newest()

    def save(self, step: int, card: dict, weights: dict, state: dict) -> Path:
        """Writes the checkpoint of `step`. Raises OSError, with the last whole one named, when the disk refuses."""
        import torch
        from safetensors import SafetensorError

        final = self.folder / step_name(step)
        part = self.folder / f".{final.name}.tmp"
        try:
            with disk_errors(final):
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                save_release(part, card, weights)
                torch.save(state, part / "state.pt")
                for path in [*part.iterdir(), part]:
                    flush(path)
                self._discard(final)
                os.replace(part, final)
                flush(self.folder)  # before an older one goes
        except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors wrap what the disk said
            shutil.rmtree(part, ignore_errors=True)
            raise OSError(
                f"the checkpoint {final} could not be written: {error}. The last whole one is {self.newest() or 'none'}. "
                "Free some space or mend the folder, then run the same command again: it goes on from there."
            ) from error
        self._prune()
        return final

    def note(self, step: int, card: dict) -> None:
        """Takes down what a validation said of `step`, which is saved already. Raises OSError when the disk refuses."""
        write_json(self.folder / step_name(step) / "card.json", card, flushed=True)
        self._name_best()

    def clean(self) -> None:
        """Removes what a killed run left half-written or half-deleted, and lets best.json name the best."""
        folders = self.all()
        whole = [path for path in folders if (path / "card.json").is_file()]
        # Without its card and older than a whole one, a folder was on its way out; a newer one was damaged.
        halves = [path for path in folders if whole and path < whole[-1] and path not in whole]
        for part in [*self.folder.glob(".*.tmp"), *halves]:
            log.info(f"removing {part}, which was left half-written or half-deleted.")
            shutil.rmtree(part)
        self._name_best()

    def _name_best(self) -> None:
        best, path = self.best(), self.folder / "best.json"
        if best is None or not _was_best(best):
            path.unlink(missing_ok=True)
            return
        named = read_card(best)["best"]
        if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != json_text(named):
            write_json(path, named, flushed=True)

    def _prune(self) -> None:
        kept = {*self.all()[-self.keep :], self.best()}
        for path in self.all():
            if path not in kept:
                self._discard(path)

    def _discard(self, path: Path) -> None:
        if not path.exists():
            return
        gone = self.folder / f".{path.name}.gone.tmp"
        shutil.rmtree(gone, ignore_errors=True)
        os.replace(path, gone)
        shutil.rmtree(gone, ignore_errors=True)

    def state(self, folder: Path) -> dict[str, Any]:
        """What is needed to go on from `folder`. Raises ValueError when it is a release only, or damaged."""
        card = read_card(folder)
        if not (folder / "state.pt").is_file():
            raise ValueError(f"{folder} is a release without training state: train anew with --set train.init_from={folder}.")
        state = read_weights(folder / "state.pt")
        if not isinstance(state, dict) or not isinstance(state.get("progress"), dict):
            raise ValueError(f"{folder / 'state.pt'} is damaged: it holds no state of a training.")
        return state | {"progress": state["progress"] | card.get("progress", {})}

    def mend_weights(self, folder: Path, weights: dict) -> None:
        """Writes the weights of `folder`, which its state has whole, again where their own file is damaged."""
        file = folder / "model.safetensors"
        try:
            read_weights(file)
        except ValueError as error:
            log.warning(f"{error} Training needs only state.pt, and writes them again from there.")
            write_whole(file, lambda part: save_weights(part, weights), flushed=True)

    def check_same_model(self, folder: Path, card: dict[str, Any]) -> None:
        """Refuses to go on in a folder that holds another model. Raises ValueError listing what differs."""
        theirs = _identity(read_card(folder))
        ours = _identity(card)
        differences = [f"{key}: {_short(theirs[key])} there, {_short(ours[key])} now" for key in ours if theirs[key] != ours[key]]
        if differences:
            raise ValueError(
                f"{folder} was trained with other settings:\n  " + "\n  ".join(differences) + "\nGive this run another --name, "
                f"or begin a new one from its weights: --set train.init_from={folder}."
            )

    @contextlib.contextmanager
    def or_older(self, folder: Path) -> Iterator[None]:
        """Lets a ValueError within, which says what is wrong with `folder`, say as well how to go on from an older checkpoint."""
        try:
            yield
        except ValueError as error:
            older = self.older(folder)
            aside = f"mv {folder} {folder.with_name('damaged-' + folder.name)}"
            cure = f"Put the damaged one aside ({aside}) and run the same command again: it "
            cure += f"goes on from {older}, which is whole." if older else "begins anew, as no older one is whole."
            raise ValueError(f"the newest checkpoint, {folder}, cannot be gone on with: {error}\n{cure}") from error

    def older(self, folder: Path) -> Path | None:
        """The newest checkpoint before `folder` that can be read."""
        return next((path for path in reversed(self.all()) if path < folder and _readable(path)), None)


def is_release(folder: Path) -> bool:
    """Whether `folder` is, or was before it was damaged, a release or checkpoint of ours."""
    return (folder / "card.json").is_file() or _of_a_run(folder)


def is_run(folder: Path) -> bool:
    """Whether a training of ours began here: in its folder it keeps its config, a lock, and its checkpoints."""
    begun = (folder / "checkpoint").is_dir() or (folder / ".lock").is_file()
    return begun and (folder / "config.json").is_file()


def _of_a_run(folder: Path) -> bool:
    return folder.parent.name == "checkpoint" and folder.name.startswith("step-") and folder.is_dir()


def read_release(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The card and weights of a release or checkpoint. Raises ValueError when one is damaged, with an older checkpoint that is not."""
    try:
        return read_card(folder), read_weights(folder / "model.safetensors")
    except ValueError as error:
        older = Checkpoints(folder.parent.parent).older(folder) if _of_a_run(folder) else None
        advice = f" {older} is older and whole: name that." if older else ""
        raise ValueError(f"{error}{advice}") from error


def _readable(folder: Path) -> bool:
    try:
        read_card(folder)
        read_weights(folder / "model.safetensors")
        read_weights(folder / "state.pt")
    except ValueError:
        return False
    return True


def _was_best(folder: Path) -> bool:
    try:
        card = read_card(folder)
    except ValueError:
        return False
    best = card.get("best")
    return isinstance(best, dict) and best.get("loss") is not None and best.get("step") == card.get("step")


def save_release(folder: Path, card: dict, weights: dict) -> None:
    """`model.safetensors`, then `card.json`: the card's presence says that the weights are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / "model.safetensors", weights)
    write_json(folder / "card.json", card)


def save_weights(path: Path, weights: dict) -> None:
    """A state dict as safetensors."""
    from safetensors.torch import save_file

    plain = {name: weight.detach().cpu().contiguous().clone() for name, weight in weights.items()}
    write_whole(path, lambda part: save_file(plain, part))


def step_name(step: int) -> str:
    """The folder of a step, so named that sorting by name is sorting by step."""
    return f"step-{step:08d}"


def _identity(card: dict[str, Any]) -> dict[str, Any]:
    """What must be the same for a training to go on. Models that it uses may lie elsewhere, as long as they are the same ones."""
    grouped = settings_in_groups(card)
    same = {}
    for key in ("model_type", "model", "preprocess", "facts", "speakers"):
        same[key] = plain(grouped.get(key))
    digests = {name: record["digest"] for name, record in card.get("frozen", {}).items()}
    return same | {"frozen": digests}


def plain(value: Any) -> Any:
    """`value` as JSON would give it back, so that a tuple equals a list."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 160 else text[:157] + "..."
