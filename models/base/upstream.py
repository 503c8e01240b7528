"""Foreign checkpoints: what Amphion, jik876, ParallelWaveGAN and ming024 released, read as a card and weights of ours.

Each reader turns a foreign configuration into our constructor's arguments and a state dict into our names.
Nothing is guessed about what is missing: `models.base.task.fit_weights` lists it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from modules.norm import modern_keys
from utils.config import merge
from utils.files import read_json, read_weights
from utils.log import log
from utils.registry import nearest, pick

State = dict[str, Tensor]
Card = dict[str, Any]


def read_foreign(path: Path, model_type: str | None = None) -> tuple[Card, State]:
    """The card and weights of a foreign folder or file. Raises ValueError saying what was looked for."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    for beside, reader in READERS.items():
        config = next((f / beside for f in (folder, folder.parent, folder.parent.parent) if (f / beside).is_file()), None)
        if config is not None:
            return _read(reader, path, config, model_type)
    raise ValueError(
        f"{path} is no checkpoint of ours (no card.json) and none that is known: beside or above it there is no "
        f"{', '.join(READERS)}. Put the configuration that it was published with next to it."
    )


def _read(reader: Callable, path: Path, config: Path, model_type: str | None) -> tuple[Card, State]:
    try:
        return reader(path, config, model_type)
    except KeyError as error:
        raise ValueError(f"{config} lacks the setting {error}: it is another program's, or was cut down.") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The object in a YAML file. Raises ValueError naming the file when it holds none."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML ({error}).") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no settings: download it again.")
    return found


def read_json5(path: Path) -> dict[str, Any]:
    """A configuration as upstream writes it: JSON with trailing commas, already merged; a base that still exists lies under it."""
    import json5

    try:
        own = json5.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON5 ({error}).") from error
    base = own.pop("base_config", None)
    found = path.parent / str(base)
    return merge(read_json5(found), own) if base and found.is_file() else own


# Amphion


def amphion(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A released folder of Amphion: args.json and checkpoint/epoch-..., or a legacy <step>.pt."""
    config = read_json5(config_path)
    p, kind = config["preprocess"], model_type or config["model_type"]
    state = strip(read_weights(newest_weights(path)), "generator_state_dict", "state_dict", "model")
    if kind in ("GANVocoder", "HiFiGAN"):
        generator = config["model"].get("generator", "hifigan").lower()
        arguments, state = pick(GENERATORS, generator, "generator")(config, state)
        mel = mel_section(p, "hifigan")
        return card("HiFiGAN", p["sample_rate"], p["hop_size"], {"audio": {}, "mel": mel}, arguments, {"n_mel": p["n_mel"]}), state
    if kind in ("FastSpeech2", "Fastspeech2"):
        from models.tts.fastspeech2 import from_amphion

        arguments, facts, state = from_amphion(config, state)
        features = {
            "phone": {"g2p": "lexicon", "symbols": "amphion"},
            "duration": {},
            "mel": mel_section(p, "tacotron2" if p.get("mel_extract_mode") == "taco" else "hifigan"),
            "f0": {"method": p.get("pitch_extractor", "dio"), "fmin": p["f0_min"], "fmax": p["f0_max"], "interpolate": True},
            "energy": {"n_fft": p["n_fft"], "win_size": p["win_size"]},
        }
        speakers = speaker_table(config_path.parent / "spk2id.json")
        return card("FastSpeech2", p["sample_rate"], p["hop_size"], features, arguments, facts, speakers), state
    raise ValueError(nearest(str(kind), ["GANVocoder", "FastSpeech2"], f"model_type in {config_path}"))


def amphion_hifigan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `hifigan` of Amphion's GAN vocoders; `tfr_enhanced_hifigan` differs in sizes alone."""
    return hifigan_sizes(config["model"]["hifigan"]), modern_keys(state)


def vits_hifigan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The decoder of Amphion's VITS: plain ends and a speaker vector."""
    ends = {"variant": {"plain_ends": True}, "speaker_channels": config.get("gin_channels", 0)}
    return hifigan_sizes(config) | ends, modern_keys(state)


GENERATORS = {"hifigan": amphion_hifigan}


def newest_weights(path: Path) -> Path:
    """The weights file of a run of Amphion: the file itself, or that of the furthest epoch and step."""
    if path.is_file():
        return path
    files = [f for name in ("model.safetensors", "pytorch_model.bin") for f in path.rglob(name)]
    files = files or [f for f in path.rglob("*.pt") if re.search(r"\d", f.stem)]
    if not files:
        raise ValueError(f"{path} has an args.json, but no model.safetensors, pytorch_model.bin or <step>.pt under it.")

    def furthest(file: Path) -> tuple[int, ...]:
        text = file.parent.name if file.parent.name.startswith(("epoch", "final")) else file.stem
        numbers = dict(re.findall(r"(epoch|step)-(\d+)", text))
        plain = re.fullmatch(r"\d+", file.stem)
        return int(numbers.get("epoch", 0)), int(numbers.get("step", file.stem if plain else 0)), file.suffix == ".safetensors"

    return max(files, key=furthest)


# jik876, and the folder that Amphion's text-to-audio ships


def jik876(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A `generator` or `g_*` file of the original HiFi-GAN, next to its config.json."""
    c = read_json(config_path)
    if "upsample_rates" not in c or "activation" in c:  # BigVGAN has all that HiFi-GAN has, and an activation
        raise ValueError(f"{config_path} is no HiFi-GAN configuration: it needs upsample_rates, and no activation.")
    file = path
    if path.is_dir():
        files = sorted((f for f in path.iterdir() if re.match(r"(g_|generator)", f.name)), key=lambda f: numbers_of(f.name))
        if not files:
            raise ValueError(f"{path} holds a config.json, but no generator or g_* file.")
        file = files[-1]
    state = modern_keys(strip(read_weights(file), "generator"))
    n_mel = c.get("num_mels", 80)
    names = {"sample_rate": "sampling_rate", "n_mel": "num_mels"}
    mel = mel_section({k: c.get(names.get(k, k)) for k in ("n_fft", "win_size", "n_mel", "fmin", "fmax")} | {"n_mel": n_mel}, "hifigan")
    return card("HiFiGAN", c["sampling_rate"], c["hop_size"], {"audio": {}, "mel": mel}, hifigan_sizes(c), {"n_mel": n_mel}), state


def hifigan_sizes(c: dict[str, Any]) -> dict[str, Any]:
    """Our constructor's sizes from a section that names them as jik876 does."""
    same = ("upsample_rates", "upsample_kernel_sizes", "upsample_initial_channel", "resblock_kernel_sizes", "resblock_dilation_sizes")
    return {name: tuple_of(c[name]) for name in same} | {"resblock": str(c["resblock"])}


# ParallelWaveGAN

PWG_NAMES = (
    (r"^input_conv\.", "conv_pre."),
    (r"^upsamples\.(\d+)\.1\.", r"ups.\1."),
    (r"^blocks\.(\d+)\.(convs[12])\.(\d+)\.1\.", r"resblocks.\1.\2.\3."),
    (r"^output_conv\.1\.", "conv_post."),
)


def parallel_wavegan(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A checkpoint-*.pkl of ParallelWaveGAN, next to its config.yml and the stats.npy or stats.h5 of its mels."""
    c = read_yaml(config_path)
    if c.get("generator_type") != "HiFiGANGenerator":
        raise ValueError(f"{config_path}: " + nearest(str(c.get("generator_type")), ["HiFiGANGenerator"], "generator_type"))
    file = path
    if path.is_dir():
        files = sorted(path.glob("*.pkl"), key=lambda f: numbers_of(f.name))
        if not files:
            raise ValueError(f"{path} holds a config.yml, but no checkpoint-*.pkl.")
        file = files[-1]
    state = mel_statistics(config_path.parent) | strip(read_weights(file), "model", "generator")
    arguments, state = pwg_hifigan(c["generator_params"], state)
    n_mel = c["generator_params"].get("in_channels", 80)
    mel = {"n_fft": c["fft_size"], "win_size": c.get("win_length") or c["fft_size"], "n_mel": n_mel}
    mel |= {"fmin": c.get("fmin") or 0, "fmax": c.get("fmax"), "convention": "parallelwavegan"}
    return card("HiFiGAN", c["sampling_rate"], c["hop_size"], {"audio": {}, "mel": mel}, arguments, {"n_mel": n_mel}), state


def mel_statistics(folder: Path) -> State:
    """The mean and scale (n_mel,) of a stats.npy or stats.h5; without one, with a warning, nothing."""
    import numpy as np
    import torch

    if (folder / "stats.npy").is_file():
        rows = np.load(folder / "stats.npy")
    elif (folder / "stats.h5").is_file():
        rows = _from_hdf5(folder / "stats.h5")
    else:
        log.warning(f"{folder} has no stats.npy or stats.h5: this vocoder then wants mels that are already normalised.")
        return {}
    return {name: torch.from_numpy(np.float32(row)).flatten() for name, row in zip(("mean", "scale"), rows, strict=False)}


def _from_hdf5(path: Path) -> list[Any]:
    try:
        import h5py
    except ImportError as error:
        raise ValueError(f"{path} needs the package h5py: pip install h5py") from error
    with h5py.File(path) as file:
        return [file[name][()] for name in ("mean", "scale")]


def pwg_hifigan(params: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """HiFiGANGenerator's parameters and names."""
    if params.get("use_causal_conv"):
        raise ValueError("generator_params.use_causal_conv: the causal generator of ParallelWaveGAN cannot be read.")
    state = {rename(key, PWG_NAMES): value for key, value in state.items()}
    lean = not params.get("use_additional_convs", True)
    if lean:
        state = {key.replace(".convs1.", ".convs."): value for key, value in state.items()}
    normalised = "mean" in state and "scale" in state
    kernels = params.get("upsample_kernel_sizes", params.get("upsample_kernal_sizes", (16, 16, 4, 4)))  # sic: old files misspell it
    arguments = {
        "upsample_initial_channel": params.get("channels", 512),
        "upsample_rates": tuple_of(params.get("upsample_scales", (8, 8, 2, 2))),
        "upsample_kernel_sizes": tuple_of(kernels),
        "resblock_kernel_sizes": tuple_of(params.get("resblock_kernel_sizes", (3, 7, 11))),
        "resblock_dilation_sizes": tuple_of(params.get("resblock_dilations", ((1, 3, 5),) * 3)),
        "resblock": "2" if lean else "1",
        "variant": {
            "upsample_padding": "parallelwavegan",
            "kernel_size": params.get("kernel_size", 7),
            "slope": params.get("nonlinear_activation_params", {}).get("negative_slope", 0.1),
            "block_bias": params.get("bias", True),
            "normalise": normalised,
        },
    }
    return arguments, modern_keys(state)


# ming024


def ming024(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A <step>.pth.tar of ming024's FastSpeech2, next to preprocess.yaml, model.yaml and the stats.json of its data."""
    from models.tts.fastspeech2 import from_ming024

    config = {name: read_yaml(config_path.parent / f"{name}.yaml") for name in ("preprocess", "model")}
    if (config_path.parent / "stats.json").is_file():
        config["stats.json"] = read_json(config_path.parent / "stats.json")
    file = path
    if path.is_dir():
        files = sorted(path.rglob("*.pth.tar"), key=lambda f: numbers_of(f.name))
        if not files:
            raise ValueError(f"{path} holds yaml files, but no <step>.pth.tar.")
        file = files[-1]
    arguments, facts, state = from_ming024(config, strip(read_weights(file), "model"))
    p = config["preprocess"]["preprocessing"]
    mel = {"n_fft": p["stft"]["filter_length"], "win_size": p["stft"]["win_length"], "n_mel": p["mel"]["n_mel_channels"]}
    mel |= {"fmin": p["mel"]["mel_fmin"], "fmax": p["mel"]["mel_fmax"], "convention": "tacotron2"}
    features = {
        "phone": {"g2p": "lexicon", "symbols": "ming024"},
        "duration": {},
        "mel": mel,
        "f0": {"method": "dio", "fmin": 71, "fmax": 800, "interpolate": True},
        "energy": {"n_fft": mel["n_fft"], "win_size": mel["win_size"]},
    }
    speakers = speaker_table(config_path.parent / "speakers.json")
    return card("FastSpeech2", p["audio"]["sampling_rate"], p["stft"]["hop_length"], features, arguments, facts, speakers), state


READERS: dict[str, Callable[[Path, Path, str | None], tuple[Card, State]]] = {
    "args.json": amphion,
    "config.json": jik876,
    "config.yml": parallel_wavegan,
    "preprocess.yaml": ming024,
}


# What they share


def card(
    model_type: str, rate: int, hop: int, features: dict, arguments: dict, facts: dict, speakers: list[str] | None = None
) -> Card:
    """A card of ours for foreign weights."""
    return {
        "model_type": model_type,
        "dataset": [],
        "preprocess": {"sample_rate": rate, "hop_size": hop, "features": features},
        "model": json.loads(json.dumps(arguments)),
        "facts": {"sample_rate": rate, "hop_size": hop, "n_speakers": 1, "statistics": None, **facts},
        "learned": {},
        "speakers": speakers or ["foreign_default"],
    }


def mel_section(p: dict[str, Any], convention: str) -> dict[str, Any]:
    """The settings of our mel from a section that names them as Amphion does."""
    section = {name: p[name] for name in ("n_fft", "win_size", "n_mel", "fmin", "fmax") if p.get(name) is not None}
    return section | {"convention": convention}


def strip(found: Any, *wrappers: str) -> State:
    """The state dict inside the containers that training wrapped around it, without DDP's prefix."""
    for wrapper in wrappers:
        if isinstance(found, dict) and wrapper in found and isinstance(found[wrapper], dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        kinds = list(found)[:8] if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"no state dict was found inside the checkpoint: it holds {kinds}.")
    return {key.removeprefix("module."): value for key, value in found.items()}


def speaker_table(path: Path) -> list[str] | None:
    """Speaker names in the order of their numbers, where the file exists."""
    if not path.is_file():
        return None
    table = read_json(path)
    return sorted(table, key=table.get)


def rename(key: str, names: tuple[tuple[str, str], ...]) -> str:
    """`key` after every (pattern, replacement) in turn."""
    for pattern, replacement in names:
        key = re.sub(pattern, replacement, key)
    return key


def numbers_of(name: str) -> tuple[int, ...]:
    """The numbers in a file name, to sort by."""
    return tuple(int(n) for n in re.findall(r"\d+", name))


def tuple_of(value: Any) -> Any:
    """Lists as tuples, all the way down."""
    return tuple(tuple_of(v) for v in value) if isinstance(value, list | tuple) else value
