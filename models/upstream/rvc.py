"""RVC's voices: a <name>.pth that holds its configuration itself, or a G_<step>.pth of its training next to config.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, numbers_of, strip
from models.upstream.voices import flow_of, generator_of, our_names, sizes_of
from modules.norm import modern_keys
from utils.files import read_json, read_weights

BESIDE = "*.pth"

LIST = (  # what the configuration says, in this order
    "spec_channels",
    "segment_size",
    "inter_channels",
    "hidden_channels",
    "filter_channels",
    "n_heads",
    "n_layers",
    "kernel_size",
    "p_dropout",
    "resblock",
    "resblock_kernel_sizes",
    "resblock_dilation_sizes",
    "upsample_rates",
    "upsample_initial_channel",
    "upsample_kernel_sizes",
    "spk_embed_dim",
    "gin_channels",
    "sr",
)
FRAMES = 100  # a second
CONTENTVEC = {256: {"layer": 9, "final_proj": True}, 768: {"layer": 12}}  # what versions 1 and 2 read of it
RUMBLE = 48.0  # Hz, below which it hears nothing
LOUDEST_MEL = 125  # bands of the mel that its training compares


def knows(weights: Path) -> bool:
    """Whether this file is of this program: no configuration lies beside it that is another's."""
    try:
        found = read_weights(weights)
    except ValueError:
        return False
    return isinstance(found, dict) and "enc_p.emb_phone.weight" in _tensors(found)


def makes(weights: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "RVC"


def read(path: Path, beside: Path, model_type: str | None) -> tuple[Card, State]:
    """A voice. Raises ValueError for a folder of several, and for a checkpoint of a training without its config.json."""
    file = _file(path)
    found = read_weights(file)
    section = _section(found, file)
    arguments, facts, state = rvc(section, strip(found, "weight", "model"))
    broken = [name for name, value in state.items() if not value.isfinite().all()]
    if broken:
        raise ValueError(f"{file}: {broken[0]} holds NaN or infinity: its training failed, or it is damaged; it can sing nothing.")
    (width,) = facts["channels"].values()
    if width not in CONTENTVEC:
        raise ValueError(f"{file}: content of {width} channels is read by no version of RVC: {', '.join(map(str, CONTENTVEC))} are.")
    spectrum = {"n_fft": arguments["decoding"]["n_fft"], "win_size": arguments["decoding"]["win_size"], "convention": "vits"}
    features = {
        "contentvec": CONTENTVEC[width] | {"alignment": "upstream", "highpass": RUMBLE},
        "f0": {"fmin": 50, "fmax": 1100, "highpass": RUMBLE},
        "energy": {},
        "linear": spectrum,
        "mel": spectrum | {"n_mel": LOUDEST_MEL},
        "audio": {},
    }
    made = card("RVC", facts["sample_rate"], facts["hop_size"], features, arguments, facts, [f"rvc_{file.stem}"])
    return made | {"learned": {"contentvec": {"channels": width}}}, state


def rvc(section: Mapping[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any], State]:
    """Our arguments, facts and names for the settings of a voice, by the names of `LIST`, and its weights."""
    led = any(key.startswith("dec.m_source.") for key in state)
    named = our_names(modern_keys(state), led=led)
    pitched = "emb_pitch.weight" in named
    if led and not pitched:
        raise ValueError("its weights hold dec.m_source, which sings by F0, but no enc_p.emb_pitch.weight: they are cut down.")
    sizes = generator_of(section) | {"variant": {"plain_ends": True}}
    if led:
        sizes["harmonics"] = 0
    n_fft = 2 * (section["spec_channels"] - 1)
    arguments = {
        "contents": ["contentvec"],
        "pitched": pitched,
        "sizes": sizes_of(named, section["p_dropout"]),
        "flow": flow_of(named),
        "decoding": {
            "vocoder": "nsfhifigan" if led else "hifigan",
            "sizes": sizes,
            "slice_frames": section["segment_size"],
            "n_fft": n_fft,
            "win_size": n_fft,
            "mel_bands": LOUDEST_MEL,
        },
    }
    rate = section["sr"]
    facts = {"sample_rate": rate, "hop_size": rate // FRAMES, "n_speakers": len(named["emb_g.weight"])}
    facts["channels"] = {"contentvec": named["emb_phone.weight"].shape[1]}
    return arguments, facts, named


def listed(config: list[Any], file: str = "config") -> dict[str, Any]:
    """The settings in a voice's list. Raises ValueError for one of another length."""
    if not isinstance(config, list) or len(config) != len(LIST):
        raise ValueError(f"{file}: its config is no list of {len(LIST)} settings: it is no voice of RVC, or was made by another program.")
    return dict(zip(LIST, config, strict=True))


def _section(found: dict[str, Any], file: Path) -> dict[str, Any]:
    if "weight" in found:
        return listed(found.get("config"), str(file))
    beside = file.parent / "config.json"
    if not beside.is_file():
        raise ValueError(f"{file} is a checkpoint of RVC's training: put the config.json of that training next to it.")
    settings = read_json(beside, dict[str, Any])
    data = settings["data"]
    segment = settings["train"]["segment_size"] // data["hop_length"]
    spectrum = {"spec_channels": data["filter_length"] // 2 + 1, "segment_size": segment, "sr": data["sampling_rate"]}
    return settings["model"] | spectrum


def _tensors(found: dict[str, Any]) -> dict[str, Any]:
    """What holds the weights."""
    inside = found.get("weight", found.get("model", found))
    return inside if isinstance(inside, dict) else {}


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    files = [file for file in path.glob("*.pth") if not file.name.startswith("D_")]
    steps = [file for file in files if file.name.startswith("G_")]
    if steps and len(steps) == len(files):
        return max(steps, key=lambda file: numbers_of(file.name))
    if len(files) != 1:
        names = ", ".join(sorted(file.name for file in files)) or "none"
        raise ValueError(f"{path}: name the voice to load, one of {names}.")
    return files[0]
