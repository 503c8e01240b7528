"""ming024's FastSpeech2: a <step>.pth.tar next to preprocess.yaml, model.yaml and the stats.json of its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, numbers_of, speaker_table, strip
from utils.documents import read_yaml
from utils.files import read_json, read_weights

BESIDE = "preprocess.yaml"


def knows(config: Path) -> bool:
    """Whether this configuration is of this program: nobody else calls a file so."""
    return True


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "FastSpeech2"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A <step>.pth.tar of ming024's FastSpeech2, next to preprocess.yaml, model.yaml and the stats.json of its data."""
    from models.upstream.fastspeech2_maps import from_ming024

    config = {name: read_yaml(config_path.parent / f"{name}.yaml") for name in ("preprocess", "model")}
    if (config_path.parent / "stats.json").is_file():
        config["stats.json"] = read_json(config_path.parent / "stats.json", dict[str, Any])
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
    chinese = p.get("text", {}).get("language") == "zh"
    features = {
        "phone": {"g2p": "pinyin" if chinese else "lexicon", "symbols": "ming024"},
        "duration": {},
        "mel": mel,
        "f0": {"method": "dio", "fmin": 71, "fmax": 800, "interpolate": True},
        "energy": {"n_fft": mel["n_fft"], "win_size": mel["win_size"]},
    }
    speakers = speaker_table(config_path.parent / "speakers.json")
    return card("FastSpeech2", p["audio"]["sampling_rate"], p["stft"]["hop_length"], features, arguments, facts, speakers), state
