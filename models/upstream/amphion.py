"""Amphion's released folders: args.json beside checkpoint/epoch-..., or a legacy <step>.pt."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.upstream import (
    amphion_audioldm,
    amphion_autoencoder,
    amphion_svc,
    fatchord,
    lifeiteng,
    naturalspeech2,
    r9y9,
    vits_svc,
)
from models.upstream.amphion_vocoders import generator
from models.upstream.common import Card, State, card, mel_section, numbered, read_json5, speaker_table, strip
from models.upstream.vocos import amphion_vocos
from utils.files import read_weights
from utils.registry import load_object, pick

BESIDE = "args.json"

def knows(config: Path) -> bool:
    """Whether this configuration is of this program: nobody else calls a file so."""
    return True


def makes(config_path: Path, model_type: str | None) -> str:
    """The name of our model: that of the configuration, or of a vocoder that of its generator."""
    config = read_json5(config_path)
    kind = model_type or config["model_type"]
    if _reader(kind, config_path) is vocoder:
        return generator(config)[0]
    return "FastSpeech2" if kind == "Fastspeech2" else kind


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A released folder of Amphion, whatever the task."""
    config = read_json5(config_path)
    kind = model_type or config["model_type"]
    state = strip(read_weights(newest_weights(path)), "generator_state_dict", "state_dict", "model")
    return _reader(kind, config_path)(config, state, config_path)


def _reader(kind: Any, config_path: Path) -> Callable[..., tuple[Card, State]]:
    return pick(KINDS, str(kind), f"model_type in {config_path}")


def vocoder(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """Whatever `model.generator` names."""
    from models import MODELS

    p = config["preprocess"]
    model_type, translate = generator(config)
    arguments, state = load_object(translate)(config, state)
    features = {"audio": {}, "mel": mel_section(p, "hifigan")}
    model_class = load_object(MODELS[model_type].model)
    if "f0" in model_class.reads:
        method = p.get("pitch_extractor", "parselmouth")
        features["f0"] = {"method": method, "fmin": p.get("f0_min", 50), "fmax": p.get("f0_max", 1100)}
    facts = {"n_mel": p["n_mel"]}
    our_card = card(model_type, p["sample_rate"], p["hop_size"], features, arguments, facts)
    return our_card, state


def fastspeech2(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """FastSpeech2, with the pitch and energy that it was trained on."""
    from models.upstream.fastspeech2_maps import from_amphion

    p = config["preprocess"]
    arguments, facts, state = from_amphion(config, state)
    features = acoustic_features(p) | {"duration": {}}
    speakers = speaker_table(config_path.parent / "spk2id.json")
    our_card = card("FastSpeech2", p["sample_rate"], p["hop_size"], features, arguments, facts, speakers)
    return our_card, state


def jets(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """Jets: the features of FastSpeech2, and the sound."""
    from models.upstream.jets_maps import from_amphion

    p = config["preprocess"]
    arguments, facts, state = from_amphion(config, state)
    arguments |= {"n_fft": p["n_fft"], "win_size": p["win_size"]}
    named = speaker_table(config_path.parent / "spk2id.json")
    speakers = named or numbered(facts["n_speakers"])
    features = acoustic_features(p) | {"audio": {}}
    our_card = card("Jets", p["sample_rate"], p["hop_size"], features, arguments, facts, speakers)
    return our_card, state


def acoustic_features(p: dict[str, Any]) -> dict[str, Any]:
    """Phones of the lexicon, mel, pitch and energy, as the section `preprocess` has them."""
    return {
        "phone": {"g2p": "lexicon", "symbols": "amphion"},
        "mel": mel_section(p, "tacotron2" if p.get("mel_extract_mode") == "taco" else "hifigan"),
        "f0": {"method": p.get("pitch_extractor", "dio"), "fmin": p["f0_min"], "fmax": p["f0_max"], "interpolate": True},
        "energy": {"n_fft": p["n_fft"], "win_size": p["win_size"]},
    }


def vits(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """VITS. Blanks only where the file says so: the first release had none, and its args.json does not name them."""
    from models.upstream.vits_maps import amphion_text, from_amphion

    p = config["preprocess"]
    arguments, facts, state = from_amphion(config, state)
    phone, learned = amphion_text(p, config_path)
    linear = {"n_fft": p["n_fft"], "win_size": p["win_size"]}
    mel = mel_section(p, "hifigan")
    features = {"phone": phone, "linear": linear, "audio": {}, "mel": mel}
    named = speaker_table(config_path.parent / "spk2id.json")
    speakers = named or numbered(facts["n_speakers"])
    our_card = card("VITS", p["sample_rate"], p["hop_size"], features, arguments, facts, speakers)
    return our_card | {"learned": learned}, state


KINDS = {
    "GANVocoder": vocoder,
    "FlowVocoder": vocoder,
    "DiffusionVocoder": vocoder,
    "HiFiGAN": vocoder,
    "Vocos": amphion_vocos,
    "FastSpeech2": fastspeech2,
    "Fastspeech2": fastspeech2,
    "WaveNet": r9y9.read_amphion,
    "WaveRNN": fatchord.read_amphion,
    "VITS": vits,
    "Jets": jets,
    "VALLE": lifeiteng.read_amphion,
    "NaturalSpeech2": naturalspeech2.read_amphion,
    "VitsSVC": vits_svc.read_amphion,
    "AutoencoderKL": amphion_autoencoder.autoencoder,
    "AudioLDM": amphion_audioldm.read_amphion,
    **{kind: amphion_svc.reader(kind) for kind in amphion_svc.READERS},
}


def newest_weights(path: Path) -> Path:
    """The weights file of a run of Amphion: the file itself, or that of the furthest epoch and step."""
    if path.is_file():
        return path
    files = [f for name in ("model.safetensors", "pytorch_model.bin") for f in path.rglob(name)]
    files = files or [f for f in path.rglob("*.pt") if re.search(r"\d", f.stem)]
    if not files:
        raise ValueError(f"{path} has an args.json, but no model.safetensors, pytorch_model.bin or <step>.pt under it.")

    def furthest(file: Path) -> tuple[int, ...]:
        folder = file.parent.name
        named = folder if folder.startswith(("epoch", "final")) else file.stem
        numbers = dict(re.findall(r"(epoch|step)-(\d+)", named))
        plain = re.fullmatch(r"\d+", file.stem)
        epoch = numbers.get("epoch", 0)
        step = numbers.get("step", file.stem if plain else 0)
        return int(epoch), int(step), file.suffix == ".safetensors"

    return max(files, key=furthest)
