"""A hub of models: which names are ids of one, what is fetched from it, what was fetched before, and what is put there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from utils.files import ROOT

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
RUNS = ("ckpts", "pretrained")  # where recipes put trained models, and where those lie that came along
TIMEOUT = 10  # seconds that a hub may take to answer
OTHER_FRAMEWORKS = (".h5", ".msgpack", ".ot", ".tflite", ".mlmodel")


def is_hub_id(name: str) -> bool:
    """Whether `name` is "owner/name", and not a path into a folder that is here."""
    return bool(HUB_ID.fullmatch(name)) and not Path(name).parent.exists()


def is_here(path: str | Path) -> Path | None:
    """The file or folder of this machine that `path` names, None where it names none."""
    local = Path(path).expanduser()
    places = (local, ROOT / local)  # what came along goes by its name in the clone, whatever folder one is in
    return next((place for place in places if place.exists()), None)


def fetch(path: str | Path) -> Path:
    """The local folder or file of `path`; "owner/name", or "owner/name/folder", is downloaded from the hub where no such path exists.

    Raises ValueError when it is neither here nor there, or the hub cannot be reached and did not give it before.
    """
    local = is_here(path)
    if local:
        return local
    owner, *names = str(path).split("/")
    hub = "/".join([owner, *names[:1]])
    within = "/".join(names[1:])
    is_ours = owner in RUNS or Path(owner).exists()  # a folder of somebody's disk, which is no business of the hub's
    if not HUB_ID.fullmatch(hub) or (within and is_ours):
        raise ValueError(
            f"nothing at {path}{_beside(path)}: give a run, a checkpoint, a release folder, or a hub id such as amphion/vits_ljspeech."
        )
    return _from_hub(hub, within) / within


def _beside(path: str | Path) -> str:
    """What the user may have meant: the name beside it that is nearest, "" where none is near."""
    place = Path(path).expanduser()
    names = [other.name for other in place.parent.iterdir()] if place.parent.is_dir() else []
    near = difflib.get_close_matches(place.name, names, n=1)
    return f" (did you mean {place.parent / near[0]}?)" if near else ""


def _from_hub(hub: str, within: str) -> Path:
    """The folder of a hub id, of which only what lies `within` is fetched, "" for all. Raises ValueError where the hub does not give it."""
    from huggingface_hub import HfApi, snapshot_download

    reason = ""
    ignored: set[str] = set()
    try:
        repository = HfApi().model_info(hub, timeout=TIMEOUT)
        ignored = unread_of(file.rfilename for file in repository.siblings or ())
    except Exception as error:  # noqa: BLE001 (the client's errors are of another package in each version of the hub's)
        reason = type(error).__name__  # what was fetched before will do, where it was
    try:
        wanted = [f"{within}*"] if within else None
        fetched = snapshot_download(hub, allow_patterns=wanted, ignore_patterns=sorted(ignored), local_files_only=bool(reason))
        return Path(fetched)
    except Exception as error:  # noqa: BLE001
        raise ValueError(
            f"{hub} is no folder here, and the hub did not give it ({reason or type(error).__name__}). "
            "Check the spelling; without a network, download it elsewhere and give the folder."
        ) from error


def fetched_before(hub: str, file: str = "config.json") -> str:
    """The folder of a hub id in the hub's cache that holds `file`, "" where it was never fetched."""
    if not HUB_ID.fullmatch(hub):
        return ""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub, file)
    return str(Path(found).parent) if isinstance(found, str) else ""


def upload(folder: Path, hub: str, *, page: str) -> str:
    """Puts what lies in `folder` into the model repository `hub` ("owner/name"), which is made where it is not, with `page` as its
    README.md; its address. Raises ValueError for what is no hub id, or where the hub did not take it.
    """
    from huggingface_hub import HfApi

    if not HUB_ID.fullmatch(hub):
        raise ValueError(f"--push {hub}: a hub id is owner/name, such as someone/my_voice.")
    api = HfApi()
    try:
        address = api.create_repo(hub, exist_ok=True)
        api.upload_folder(repo_id=hub, folder_path=folder, ignore_patterns=["README.md"])
        api.upload_file(repo_id=hub, path_or_fileobj=page.encode(), path_in_repo="README.md")
        return str(address)
    except Exception as error:  # noqa: BLE001 (the client's errors are of another package in each version of the hub's)
        reason = type(error).__name__
        raise ValueError(f"{hub}: the hub did not take {folder} ({reason}: {error}). Log in by `hf auth login`.") from error


def unread_of(names: Iterable[str]) -> set[str]:
    """Of a repository's files the weights that nobody here reads: other frameworks', and pickles beside safetensors."""
    paths = [Path(name) for name in names]
    safe_folders = {path.parent for path in paths if path.suffix == ".safetensors"}
    unread = set()
    for path in paths:
        second_copy = path.suffix == ".bin" and path.parent in safe_folders
        if second_copy or path.suffix in OTHER_FRAMEWORKS:
            unread.add(str(path))
    return unread
