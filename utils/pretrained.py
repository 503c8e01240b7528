"""Other people's pretrained networks: where each lies, what to do where it is absent, and how it is loaded, once in each process.

    HUBERT = Source("hubert", "a folder or hub id of transformers' HubertModel", hub="facebook/hubert-base-ls960")
    model = from_transformers(find(HUBERT, path), "HubertModel", device="cpu")

A network is looked for at the path that the user gave, in the folder that AMPHION_MODELS names, and among what a hub gave before.
Nothing is fetched but what a user names by its hub id.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.digest import LENGTH, sha256_of
from utils.digest import digest as digest_of
from utils.files import DAMAGES, read_json, read_weights
from utils.hub import fetch, fetched_before, is_hub_id, unread_of
from utils.tree import files_under

if TYPE_CHECKING:
    from torch import Tensor

    from utils.onnx_network import Onnx

FOLDER = "AMPHION_MODELS"  # environment variable: a folder with one file or folder for each network
BLOCK = 256  # pieces of 1.6 s that Resemblyzer's network takes at once
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # of a transformers folder
HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.(?:pth|pt)$")  # torch.hub's custom: the file's sha256 begins so


@dataclass(frozen=True)
class Source:
    """What users call a network, and where it comes from.

    `name`: its name in the models folder. `what`: the file or folder that is needed. `form`: what stands for it in errors, such as
    "FILE.pth". `origin`: an address to have it from. `hub`: the hub id, or the name by which its library fetches it.
    `setting`: what a user sets, --name by default. `names`: gives the names that its library fetches.
    `sha256`: the published sums of files, by file name; a file of another name is taken as it is.
    """

    name: str
    what: str
    form: str = "FOLDER"
    origin: str = ""
    hub: str = ""
    setting: str = ""
    names: Callable[[], Iterable[str]] = tuple
    sha256: Mapping[str, str] = field(default_factory=dict)

    def given(self, value: str) -> str:
        """How a user says `value`: an option of a program, or a line of a config."""
        if self.setting and not self.setting.startswith("-"):
            return f'"{self.setting}": "{value}"'
        return f"{self.setting or '--' + self.name} {value}"


def find(source: Source, given: str = "") -> str:
    """Where the network is: a path, or a name that it is fetched by, for the functions below.

    Raises ValueError, saying what to do, when it is absent or is another file than the one published.
    """
    why = absent(source, given)
    if why:
        raise ValueError(f"{source.name} {why}")
    place = locate(source, given)
    check_sums(place, source)
    return place


def locate(source: Source, given: str = "") -> str:
    """The first of what the user gave, the models folder, and what the hub gave before; "" where there is none."""
    if given:
        expanded = Path(given).expanduser()
        return str(expanded) if given.startswith("~") else given
    return _in_models_folder(source.name) or fetched_before(source.hub)


def absent(source: Source, given: str = "") -> str:
    """Why `find` would fail, as the rest of a sentence: which file, from where, and where to put it; "" where it would not."""
    place = locate(source, given)
    if not place:
        return _advice(source)
    if Path(place).exists() or is_hub_id(place):
        return ""
    names = tuple(source.names())
    if place in names:
        return ""
    choices = f"; by name there are {', '.join(names)}" if names else ""
    return f"finds no model at {place}: check {source.given('').strip()}{choices}."


def _in_models_folder(name: str) -> str:
    folder = os.environ.get(FOLDER, "")
    if not folder:
        return ""
    candidates = [Path(folder) / name, *sorted(Path(folder).glob(f"{name}.*"))]
    return next((str(path) for path in candidates if path.exists()), "")


def _advice(source: Source) -> str:
    by_hub = f", or {source.given(source.hub)} to have it fetched" if source.hub else ""
    origin = f" of {source.origin}" if source.origin else ""
    return f"has no model here: give {source.given(source.form)}{by_hub}, or {_where_to_put(source)}. Needed is {source.what}{origin}."


def _where_to_put(source: Source) -> str:
    suffix = Path(source.form).suffix
    file = source.name + suffix
    folder = os.environ.get(FOLDER, "")
    if not folder:
        return f"set {FOLDER} to a folder that holds {file}"
    if not Path(folder).is_dir():
        return f"put {file} into {folder}, where {FOLDER} points and there is no folder"
    return f"put it into {folder} as {file}"


# What was published


def check_sums(place: str, source: Source) -> None:
    """Raises ValueError for a file that is not the one published: by `source.sha256`, or by the sum in a name of torch.hub's."""
    path = Path(place)
    files = [path] if path.is_file() else [path / name for name in source.sha256]
    for file in files:
        in_name = HASH_IN_NAME.search(file.name)
        expected = source.sha256.get(file.name) or (in_name.group(1) if in_name else "")
        if not expected or not file.is_file():
            continue
        own = _sum_of(file)
        if not own.startswith(expected.lower()):
            cure = f"download it again{' from ' + source.origin if source.origin else ''}, or rename it if it is your own"
            raise ValueError(f"{file} is not the file that was published: its sha256 is {own}, and {expected} is right; {cure}.")


def digest(place: str | Path) -> str:
    """Stands for what a network's file or folder holds, wherever it lies and whatever it is called; a hub id is fetched first.

    Of a folder those files count that are read: neither pages nor the weights of other frameworks. A name that a library fetches
    stands for itself.
    """
    path = Path(place)
    if not path.exists():
        if not is_hub_id(str(place)):
            return digest_of(str(place))
        path = fetch(place)
    if path.is_file():
        return _sum_of(path)[:LENGTH]
    files = {str(file.relative_to(path)): file for file in files_under(path)}
    unread = unread_of(files)
    sums = {name: _sum_of(file) for name, file in files.items() if name not in unread and not name.endswith(".md")}
    return digest_of(sums)


def _sum_of(path: Path) -> str:
    status = path.stat()
    return _sum_once(str(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _sum_once(path: str, size: int, changed: int) -> str:
    # Gigabytes are summed once: size and time of the change tell whether a file is still the same.
    return sha256_of(path)


# Loading: each of these gives the same object again when it is asked for the same network on the same device.


@functools.cache
def from_transformers(place: str, name: str, device: str, optional: tuple[str, ...] = ("masked_spec_embed",)) -> Any:
    """The network `name` of transformers ("HubertModel"), from a folder or hub id, in single precision whatever the folder keeps.

    Raises ValueError for a folder that does not hold it, and where weights are lacking that `optional` does not name: transformers
    would draw them at random.
    """
    import torch
    import transformers

    folder = fetch(place)
    load = getattr(transformers, name).from_pretrained
    model, report = _from_folder(load, folder, name, dtype=torch.float32, output_loading_info=True)
    lacking = sorted(key for key in report["missing_keys"] if not key.endswith(optional))
    if lacking:
        raise ValueError(f"{folder} holds no whole {name}: {lacking[0]} and {len(lacking) - 1} more weights are not in it.")
    return model.to(device).eval()


@functools.cache
def preprocessor(place: str, name: str = "AutoFeatureExtractor") -> Any:
    """What prepares the input of a network of transformers: "AutoFeatureExtractor" for sound, "AutoTokenizer" for text."""
    import transformers

    load = getattr(transformers, name).from_pretrained
    return _from_folder(load, fetch(place), name)


def _from_folder(load: Callable[..., Any], folder: Path, name: str, **settings: Any) -> Any:
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    try:
        return load(folder, local_files_only=True, **settings)
    except (*DAMAGES, SafetensorError, UnpicklingError) as error:
        title = re.sub("(For.*|Model)$", "", name)
        needed = f"a folder or a hub id with config.json and what {name} reads"
        raise ValueError(f"no {title} at {folder}: {needed} is needed ({error}).") from error


@functools.cache
def from_weights(place: str, network: Any, device: str) -> Any:
    """A network of a class of our own with published weights, a file that torch wrote or safetensors.

    `network.of(weights)` gives the untrained network, its sizes read from the weights, and the weights under its own names. It
    raises KeyError where a tensor is not there. Raises ValueError naming a file that holds no such network.
    """
    weights = read_weights(Path(place))
    title = network.__name__
    try:
        model, state = network.of(weights)
    except KeyError as error:
        raise ValueError(f"{place} holds no {title}: {error.args[0]} is not in it.") from error
    own = model.state_dict()
    lacking = [key for key in own if key not in state]
    if lacking:
        raise ValueError(f"{place} holds no {title}: {lacking[0]} and {len(lacking) - 1} more are not in it.")
    # Published files also hold tensors that nothing here reads.
    model.load_state_dict({key: state[key] for key in own})
    return model.to(device).eval()


@functools.cache
def onnx(place: str, device: str = "cpu") -> Onnx:
    """The network of an .onnx file, or of a folder with model.onnx and its settings; see `utils.onnx_network`."""
    from utils.onnx_network import Onnx

    return Onnx(place, device=device)


@functools.cache
def whisper(place: str, device: str) -> Any:
    """A Whisper in OpenAI's own format: its .pt, the folder of one, or a name such as "large-v3", which is fetched."""
    from urllib.error import URLError

    import whisper
    from whisper.model import ModelDimensions, Whisper

    path = Path(place)
    if not path.exists():
        try:
            return whisper.load_model(place, device=device).eval()
        except (URLError, RuntimeError) as error:
            raise ValueError(f"Whisper {place} was not given ({error}): download its .pt elsewhere and give the file.") from error
    file = _only_file(path, "*.pt", "in Whisper's own format") if path.is_dir() else path
    kept = read_weights(file)
    if not {"dims", "model_state_dict"} <= set(kept):
        raise ValueError(f"{file} is not Whisper's own format: dims and model_state_dict are needed, it has {', '.join(kept)}.")
    model = Whisper(ModelDimensions(**kept["dims"]))
    model.load_state_dict(kept["model_state_dict"])
    return model.to(device).eval()


@functools.cache
def torchscript(place: str, device: str) -> Any:
    """A network that torch.jit exported: a file, or a folder that holds one .pt. It needs none of its own program's code."""
    import torch

    path = Path(place)
    file = _only_file(path, "*.pt", "as torch.jit wrote it") if path.is_dir() else path
    try:
        return torch.jit.load(str(file), map_location=device).eval()
    except RuntimeError as error:
        raise ValueError(f"{file} is damaged, or no network that torch.jit exported ({error}); export it again.") from error


@functools.cache
def tensors(place: str, prefix: str, device: str) -> dict[str, Tensor]:
    """The weights of a transformers folder whose names begin with `prefix`, without it: what the library has no class for."""
    folder = fetch(place)
    files = [folder / name for name in WEIGHT_FILES if (folder / name).is_file()]
    if not files:
        raise ValueError(f"{folder} holds no weights: {' or '.join(WEIGHT_FILES)} is needed.")
    found = {}
    for name, tensor in read_weights(files[0]).items():
        if name.startswith(prefix):
            found[name.removeprefix(prefix)] = tensor.to(device)
    return found


@functools.cache
def settings(place: str, file: str) -> dict[str, Any]:
    """What a JSON file of a transformers folder says, such as "config.json"; nothing where there is none."""
    path = fetch(place) / file
    return read_json(path, dict[str, Any]) if path.is_file() else {}


def whisper_names() -> list[str]:
    """The names that openai-whisper fetches."""
    import whisper

    return whisper.available_models()


@functools.cache
def resemblyzer(device: str) -> Any:
    """Resemblyzer's VoiceEncoder, whose weights come with the package."""
    import resemblyzer
    import torch

    class Encoder(resemblyzer.VoiceEncoder):
        # Of an hour's pieces the original takes all at once, and the memory that this needs.
        def forward(self, mels: torch.Tensor) -> torch.Tensor:
            blocks = [super(Encoder, self).forward(block) for block in mels.split(BLOCK)]
            return torch.cat(blocks)

    return Encoder(device, verbose=False).eval()


def _only_file(folder: Path, pattern: str, kind: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise ValueError(f"{folder} holds {len(files)} files {pattern}: one is needed, {kind}.")
    return files[0]


def forget() -> None:
    """Lets go of every network that was loaded, and of the memory that they take."""
    loaders = (from_transformers, preprocessor, from_weights, tensors, settings, onnx, torchscript, whisper, resemblyzer)
    for load in loaders:
        load.cache_clear()
