"""Amphion's singing voice conversion under our names: the arguments, facts and state dict that our models take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from models.upstream.common import Card, State, card, mel_section, numbered, speaker_table
from modules.scale import MelScale
from utils.files import read_array, read_json
from utils.log import log

Parts = tuple[dict[str, Any], dict[str, Any], State]

CONTENTS = ("whisper", "contentvec", "mert", "wenet")  # in the order in which their parts stand side by side
COMPUTED = ("pos_encoder.pe",)  # position tables, which ours works out


# Layer 12 of ContentVec by its last linear layer has 256 channels; of Whisper the medium one was taken.
EXTRACTORS = {"contentvec": {"layer": 12, "final_proj": True}, "whisper": {"model": "medium"}}
EXTREMA = "mel_min_max_stats"
TABLE = "condition_encoder.singer_encoder.nn.weight"


def reader(model_type: str) -> Callable[[dict[str, Any], State, Path], tuple[Card, State]]:
    """What reads a released folder of that model of ours."""

    def read(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
        p = config["preprocess"]
        folder = config_path.parent
        arguments, facts, weights = READERS[model_type](config, state)
        named = config.get("dataset", [])
        corpus = _corpus(folder / "data", named)
        extrema = read_extrema(corpus / EXTREMA, p["n_mel"])
        facts["statistics"] = {"mel": extrema}
        weights |= scale_weights(p["n_mel"], extrema)
        speakers = speaker_table(folder / "singers.json")
        if speakers is None:
            speakers = numbered(facts["n_speakers"])
        elif TABLE in weights:  # it has rows to spare, of nobody
            weights[TABLE] = weights[TABLE][: len(speakers)]
            facts["n_speakers"] = len(weights[TABLE])
        features = features_of(config) | {"audio": {}}
        our_card = card(model_type, p["sample_rate"], p["hop_size"], features, arguments, facts, speakers)
        our_card["learned"] = {name: {"channels": width} for name, width in facts["channels"].items()}
        our_card["registers"] = read_registers(corpus / "pitches/statistics.json")
        return our_card, weights

    return read


def _corpus(data: Path, named: list[str]) -> Path:
    """The folder of the corpus whose mels the weights make: the first that the settings name and that came along, or the only one.

    Raises ValueError where there is none.
    """
    folders = sorted(path.parent for path in data.glob(f"*/{EXTREMA}"))
    if not folders:
        raise ValueError(f"{data}/<corpus>/{EXTREMA} is missing: it holds the range of the mel, download it from the same release.")
    known = {path.name: path for path in folders}
    chosen = next((known[name] for name in named if name in known), folders[0])
    if len(folders) > 1:
        names = ", ".join(known)
        log.warning(f"{data} holds {names}, each with mels of its own range: that of {chosen.name} is taken for every voice.")
    return chosen


def read_extrema(folder: Path, n_mel: int) -> dict[str, list[float]]:
    """The least and the greatest value of each band. Raises ValueError for arrays of another number of bands."""
    extrema = {}
    for name in ("min", "max"):
        path = folder / f"mel_{name}.npy"
        if not path.is_file():
            raise ValueError(f"{path} is missing: it holds the range of the mel, download it from the same release.")
        array = read_array(path)
        if array.shape != (n_mel,):
            raise ValueError(f"{path} holds {array.shape}, and ({n_mel},) are needed: download it from the same release.")
        extrema[name] = array.astype(float).tolist()
    return extrema


def read_registers(path: Path) -> dict[str, float]:
    """The median F0 of each singer, in Hz, as far as it is known."""
    if not path.is_file():
        return {}
    table = read_json(path, dict[str, dict[str, dict[str, float]]])
    medians = {}
    for name, statistics in table.items():
        median = statistics.get("voiced_positions", {}).get("median", 0.0)
        if median > 0:
            medians[name] = median
    return medians


def features_of(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a model was trained on, as sections of ours; contents are brought to the frames of the mel as upstream did."""
    p = config["preprocess"]
    features: dict[str, dict[str, Any]] = {}
    for name in contents_of(config["model"]["condition_encoder"]):
        features[name] = {"alignment": "upstream"} | EXTRACTORS.get(name, {})
    lowest = p.get("f0_min", 50)
    highest = p.get("f0_max", 1100)
    method = p.get("pitch_extractor", "parselmouth")
    features["f0"] = {"method": method, "fmin": lowest, "fmax": highest}
    by_mel = p.get("energy_extract_mode", "from_mel") == "from_mel"
    windows = {"n_fft": p["n_fft"], "win_size": p["win_size"]}
    features["energy"] = {"measure": "mel"} if by_mel else windows
    features["mel"] = mel_section(p, "hifigan")
    return features


def conditions(section: Mapping[str, Any], state: State, preprocess: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Our `Conditions` for a section `condition_encoder`; a part without weights in `state`, under `prefix`, is left out."""

    def width(name: str, switch: str, size: str) -> int:
        there = any(key.startswith(f"{prefix}{name}.") for key in state)
        return section[size] if there and section.get(switch, True) else 0

    low = section.get("f0_min", preprocess.get("f0_min", section.get("pitch_min", 50)))
    high = section.get("f0_max", preprocess.get("f0_max", section.get("pitch_max", 1100)))
    return {
        "merge": section["merge_mode"],
        "content_width": section["content_encoder_dim"],
        "melody_width": width("melody_encoder", "use_f0", "output_melody_dim"),
        "loudness_width": width("loudness_encoder", "use_energy", "output_loudness_dim"),
        "speaker_width": width("singer_encoder", "use_spkid", "output_singer_dim"),
        "unvoiced": section["use_uv"],
        "melody_bins": section["n_bins_melody"],
        "f0_min": float(low),
        "f0_max": float(high),
        "loudness_bins": section["n_bins_loudness"],
        "energy_min": 1e-30,
        "energy_max": 1.5,
        "conformer": section.get("use_conformer_for_content_features", False),
        "see_padding": True,
    }


def contents_of(section: Mapping[str, Any]) -> dict[str, int]:
    """The content features of a section `condition_encoder`, and how wide each is."""
    return {name: section[f"{name}_dim"] for name in CONTENTS if section.get(f"use_{name}", False)}


def condition_weights(state: State, section: Mapping[str, Any]) -> State:
    """The weights of the condition encoder alone, without those that have no effect and that ours does not have."""
    idle = list(COMPUTED)
    if not section["n_bins_melody"]:
        idle += ["melody_encoder."]
    if not section["use_uv"]:
        idle += ["melody_encoder.uv_embedding."]
    switches = {"use_f0": "melody_encoder.", "use_energy": "loudness_encoder.", "use_spkid": "singer_encoder."}
    idle += [part for switch, part in switches.items() if not section.get(switch, True)]
    return {key: value for key, value in state.items() if not any(part in key for part in idle)}


def speakers_of(state: State, prefix: str = "") -> int:
    """How many singers the weights know."""
    table = state.get(f"{prefix}singer_encoder.nn.weight")
    return 1 if table is None else len(table)


def from_diffwavenet(config: Mapping[str, Any], state: State) -> Parts:
    """DiffWaveNetSVC, from a merged args.json of Amphion. Raises ValueError for a U-Net, which nobody could train."""
    diffusion = config["model"]["diffusion"]
    if diffusion["model_type"] != "bidilconv":
        raise ValueError(f'model.diffusion.model_type: only "bidilconv" can be read, got {diffusion["model_type"]!r}.')
    arguments, facts, renamed = _common(config["model"]["condition_encoder"], config["preprocess"], state)
    schedule = diffusion["scheduler_settings"]
    arguments["noise"] = {
        "steps": schedule["num_train_timesteps"],
        "beta_start": schedule["beta_start"],
        "beta_end": schedule["beta_end"],
        "schedule": schedule["beta_schedule"],
        "prediction": schedule.get("prediction_type", "epsilon"),
    }
    return arguments | denoiser_sizes(diffusion), facts, _renamed(renamed, {"1.": "denoiser."})


def from_transformer(config: Mapping[str, Any], state: State) -> Parts:
    """TransformerSVC, from a merged args.json of Amphion."""
    section = config["model"]["transformer"]
    arguments, facts, renamed = _common(config["model"]["condition_encoder"], config["preprocess"], state)
    sizes = encoder_sizes(section) | {"kind": section["type"]}
    linear = state.get("1.transformer_encoder.layers.0.linear1.weight")
    if linear is not None:  # torch's own size, whatever the settings say
        sizes["filter"] = len(linear)
    return arguments | {"encoder": sizes}, facts, _renamed(renamed, {"1.": "encoder."})


def from_como(config: Mapping[str, Any], state: State) -> Parts:
    """DiffComoSVC, from a merged args.json of Amphion.

    Of a distilled one the slow copy is our student, which is what Amphion converts with; the copy that it follows is left out.
    """
    model = config["model"]
    section = model["comosvc"]
    arguments, facts, renamed = _common(model["condition_encoder"], config["preprocess"], state)
    arguments |= denoiser_sizes(model["diffusion"]) | {"encoder": encoder_sizes(section)}
    arguments["karras"] = {
        "sigma_data": section["sigma_data"],
        "sigma_min": section["sigma_min"],
        "sigma_max": float(section["sigma_max"]),
        "rho": float(section["rho"]),
        "log_mean": section["P_mean"],
        "log_std": section["P_std"],
        "output_alone": True,
    }
    arguments["distillation"] = {"levels": section["n_timesteps"]}
    names = {"1.encoder.": "encoder.", "1.decoder.denoise_fn.": "teacher."}
    if any(key.startswith("1.decoder.denoise_fn_ema.") for key in state):
        arguments["distil"] = True
        renamed = {key: value for key, value in renamed.items() if not key.startswith("1.decoder.denoise_fn.")}
        renamed["distilled"] = torch.tensor(True)
        names = {
            "1.encoder.": "encoder.",
            "1.decoder.denoise_fn_ema.": "student.",
            "1.decoder.denoise_fn_pretrained.": "teacher.",
        }
    return arguments, facts, _renamed(renamed, names)


def encoder_sizes(section: Mapping[str, Any]) -> dict[str, Any]:
    """Our `encoder` for a section `transformer` or `comosvc`."""
    return {
        "layers": section["n_layers"],
        "heads": section["n_heads"],
        "filter": section["filter_channels"],
        "dropout": section["dropout"],
    }


def denoiser_sizes(diffusion: Mapping[str, Any]) -> dict[str, Any]:
    """Our `steps` and `stack` for a section `diffusion`."""
    steps = diffusion["step_encoder"]
    stack = diffusion["bidilconv"]
    return {
        "steps": {
            "waves": steps["dim_raw_embedding"],
            "hidden": steps["dim_hidden_layer"],
            "layers": steps["num_layer"],
            "activation": steps["activation"],
            "period": float(steps["max_period"]),
        },
        "stack": {
            "channels": stack["base_channel"],
            "layers": stack["n_res_block"],
            "kernel": stack["conv_kernel_size"],
            "cycle": stack["dilation_cycle_length"],
        },
    }


def _common(section: Mapping[str, Any], preprocess: Mapping[str, Any], state: State) -> Parts:
    """What the three models share: the condition and the scale of the mel, which the weights do not hold."""
    channels = contents_of(section)
    condition = conditions(section, state, preprocess, "0.")
    arguments = {"contents": tuple(channels), "condition": condition}
    n_mel = preprocess["n_mel"]
    facts = {"n_mel": n_mel, "channels": channels, "n_speakers": speakers_of(state, "0."), "statistics": None}
    weights = _renamed(condition_weights(state, section), {"0.": "condition_encoder."})
    weights |= scale_weights(n_mel, None)
    return arguments, facts, weights


def scale_weights(n_mel: int, extrema: Mapping[str, Any] | None) -> State:
    """The scale of the mel as our weights hold it."""
    state = MelScale(n_mel, extrema).state_dict()
    return {f"scale.{name}": value for name, value in state.items()}


def _renamed(state: State, prefixes: Mapping[str, str]) -> State:
    """`state` with the beginnings of its names replaced."""
    renamed = {}
    for key, value in state.items():
        old = next((prefix for prefix in prefixes if key.startswith(prefix)), "")
        renamed[prefixes.get(old, "") + key.removeprefix(old)] = value
    return renamed


READERS: dict[str, Callable[[Mapping[str, Any], State], Parts]] = {
    "DiffWaveNetSVC": from_diffwavenet,
    "DiffComoSVC": from_como,
    "TransformerSVC": from_transformer,
}
