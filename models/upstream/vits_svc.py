"""Amphion's VitsSVC under our names: the arguments, facts and state dict that `models.svc.vits.VitsSVC` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.upstream.amphion_svc import Parts, condition_weights, conditions, contents_of, features_of
from models.upstream.amphion_vocoders import generator
from models.upstream.common import Card, State, card, numbered, speaker_table
from models.upstream.voices import flow_of, our_names, sizes_of
from modules.norm import modern_keys
from utils.registry import load_object

CONDITION = "condition_encoder."
IDLE = ("f0_emb.",)  # an embedding of the F0 that nothing reads


def read_amphion(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """A released folder, with the singers of its singers.json."""
    p = config["preprocess"]
    rate = p["sample_rate"]
    hop_size = p["hop_size"]
    sizes = {"n_fft": p["n_fft"], "win_size": p["win_size"], "mel_bands": p["n_mel"], "fmax": p.get("fmax")}
    sizes["slice_frames"] = p.get("segment_size", 8192) // hop_size
    arguments, facts, weights = from_vitssvc(config, state, **sizes)
    speakers = speaker_table(config_path.parent / "singers.json")
    if speakers is None:
        speakers = numbered(facts["n_speakers"])
    linear = {"n_fft": p["n_fft"], "win_size": p["win_size"]}
    features = features_of(config) | {"linear": linear, "audio": {}}
    our_card = card("VitsSVC", rate, hop_size, features, arguments, facts, speakers)
    learned = {name: {"channels": width} for name, width in facts["channels"].items()}
    our_card["learned"] = learned
    return our_card, weights


def from_vitssvc(config: Mapping[str, Any], state: State, **sizes: Any) -> Parts:
    """From a merged args.json of Amphion. `sizes` are those of the spectrogram and its slices."""
    model = config["model"]
    section = model["condition_encoder"]
    preprocess = config["preprocess"]
    kind = model["generator"].lower()
    others, condition, decoder = _parts(state)
    vocoder, decoder = _vocoder(kind, config, decoder)
    channels = contents_of(section)
    weights = our_names(modern_keys(others), led=False)
    weights = {key: value for key, value in weights.items() if not key.startswith(IDLE)}
    arguments = {
        "contents": tuple(channels),
        "condition": conditions(section, state, preprocess, CONDITION),
        "sizes": sizes_of(weights, model["vits"]["p_dropout"]),
        "flow": flow_of(weights),
        "decoding": {"vocoder": kind, "sizes": vocoder, **sizes},
    }
    facts = {
        "channels": channels,
        "n_speakers": len(weights["emb_g.weight"]),
        "sample_rate": preprocess["sample_rate"],
        "hop_size": preprocess["hop_size"],
    }
    weights |= _under(CONDITION, condition_weights(condition, section))
    return arguments, facts, weights | _under("dec.", decoder)


def _parts(state: State) -> tuple[State, State, State]:
    """All that is neither the condition nor the decoder, and these two, without their prefixes."""
    condition = {}
    decoder = {}
    others = {}
    for key, value in state.items():
        if key.startswith(CONDITION):
            condition[key.removeprefix(CONDITION)] = value
        elif key.startswith("dec."):
            decoder[key.removeprefix("dec.")] = value
        else:
            others[key] = value
    return others, condition, decoder


def _under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def _vocoder(kind: str, config: Mapping[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The decoder's sizes, and its weights, as the reader of Amphion's vocoders has them."""
    inside = {**config, "model": {"generator": kind, **config["model"]["generator_config"]}}
    _, translate = generator(inside)
    return load_object(translate)(inside, state)
