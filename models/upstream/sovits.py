"""so-vits-svc 4.1: G_<step>.pth next to its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, numbers_of, strip
from models.upstream.voices import count, flow_of, generator_of, our_names, sizes_of
from modules.norm import modern_keys
from utils.files import read_json, read_weights
from utils.registry import pick

BESIDE = "config.json"


# What `model.speech_encoder` names: our feature, and its settings.
ENCODERS = {
    "vec256l9": ("contentvec", {"layer": 9, "final_proj": True}),
    "vec256l9-onnx": ("contentvec", {"layer": 9, "final_proj": True}),
    "vec256l12-onnx": ("contentvec", {"layer": 12, "final_proj": True}),
    "vec768l9-onnx": ("contentvec", {"layer": 9}),
    "vec768l12": ("contentvec", {"layer": 12}),
    "vec768l12-onnx": ("contentvec", {"layer": 12}),
    "cnhubertlarge": ("contentvec", {"layer": 24}),
    "whisper-ppg": ("whisper", {"model": "medium"}),
    "whisper-ppg-large": ("whisper", {"model": "large-v2"}),
    "wavlmbase+": ("wavlm", {"layer": 12}),
}
VOCODER = "nsf-hifigan"


def knows(config: Path) -> bool:
    """Whether this configuration is of this program: it says how wide its content is."""
    model = read_json(config, dict[str, Any]).get("model")
    return isinstance(model, dict) and "ssl_dim" in model


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "SoVITS"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A voice. Raises ValueError for a content or a vocoder that is not here."""
    config = read_json(config_path, dict[str, Any])
    data = config["data"]
    model = config["model"]
    feature, settings = _content(model)
    _check_vocoder(model)
    sizes = {"n_fft": data["filter_length"], "win_size": data["win_length"], "mel_bands": data["n_mel_channels"]}
    sizes["slice_frames"] = config["train"]["segment_size"] // data["hop_length"]
    arguments, facts, state = sovits(model, strip(read_weights(_file(path)), "model"), content=feature, **sizes)
    (width,) = facts["channels"].values()
    if width != model["ssl_dim"]:
        raise ValueError(f"model.ssl_dim is {model['ssl_dim']}, but the weights read {width} channels: they are of another voice.")
    arguments["bridges_f0"] = True  # its F0 is drawn through unvoiced stretches, in training as in use
    spectrum = {"n_fft": data["filter_length"], "win_size": data["win_length"], "convention": "vits"}
    features = {
        feature: settings,
        "f0": {"fmin": 50, "fmax": 1100},
        "energy": {"measure": "rms"},
        "linear": spectrum,
        "mel": spectrum | {"n_mel": data["n_mel_channels"]},
        "audio": {},
    }
    speakers = names_of(config.get("spk"), facts["n_speakers"])
    made = card("SoVITS", data["sampling_rate"], data["hop_length"], features, arguments, facts, speakers)
    return made | {"learned": {feature: {"channels": facts["channels"][feature]}}}, state


def sovits(
    model: Mapping[str, Any], state: State, *, content: str = "contentvec", **sizes: Any
) -> tuple[dict[str, Any], dict[str, Any], State]:
    """Our arguments, facts and names for a section `model` and its weights. `sizes` are those of the spectrogram and its slices."""
    named = own_networks(our_names(modern_keys(state), led=True))
    arguments = {
        "contents": [content],
        "sizes": sizes_of(named, model["p_dropout"]),
        "flow": _flow(model, named),
        "loud": "emb_vol.weight" in named,
        "melodic": "f0_decoder.proj.weight" in named,
        "decoding": {"vocoder": "nsfhifigan", "sizes": generator_of(model), **sizes},
    }
    width = named["pre.weight"].shape[1]
    facts = {"n_speakers": len(named["emb_g.weight"]), "channels": {content: width}}
    return arguments, facts, named


def names_of(table: Any, rows: int) -> list[str]:
    """Who sings, in the order of their numbers: by the names in `table` (name -> number), else by number; often there are more rows."""
    if not isinstance(table, dict) or sorted(table.values()) != list(range(len(table))) or not 0 < len(table) <= rows:
        return [f"sovits_{number}" for number in range(rows)]
    return [f"sovits_{name}" for name in sorted(table, key=table.get)]


def own_networks(state: State) -> State:
    """A network that the couplings share once, where the file has it under the name of each of them besides."""
    if not any(key.startswith("flow.wn.") for key in state):
        return state
    return {key: value for key, value in state.items() if not (key.startswith("flow.flows.") and ".enc." in key)}


def _content(model: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    older = "vec768l12" if model["ssl_dim"] == 768 else "vec256l9"
    name = str(model.get("speech_encoder", older))
    return pick(ENCODERS, name, "model.speech_encoder")


def _check_vocoder(model: Mapping[str, Any]) -> None:
    name = model.get("vocoder_name", VOCODER)
    if name != VOCODER:
        raise ValueError(f"model.vocoder_name is {name!r}: only voices with {VOCODER!r} can be read.")


def _flow(model: Mapping[str, Any], state: State) -> dict[str, Any]:
    found: dict[str, Any] = dict(flow_of(state))
    found["shared"] = any(key.startswith("flow.wn.") for key in state)
    layers = count(state, r"flow\.(?:flows\.0\.enc|wn)\.self_attn_layers\.(\d+)\.")
    if layers:
        found["causal"] = {
            "layers": layers,
            "heads": model["n_heads"],
            "filter": model["filter_channels"],
            "dropout": float(model["p_dropout"]),
        }
    return found


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    files = list(path.glob("G_*.pth"))
    if not files:
        raise ValueError(f"{path} holds the configuration of a so-vits-svc, but no G_*.pth.")
    return max(files, key=lambda file: numbers_of(file.name))
