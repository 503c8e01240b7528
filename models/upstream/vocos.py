"""gemelo-ai's Vocos: a pytorch_model.bin next to its config.yaml; and Amphion's, whose network has the same names.

Both keep their windows, twiddles and mel filters among the weights. Ours are computed, so the kept ones are compared with
what the configuration says and then left out: weights of another window or another mel are refused, not misread.
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import torch

from models.upstream.common import Card, State, card, mel_section, strip
from modules.norm import modern_keys
from processors.filters import filter_bank
from processors.mel import MEL_CONVENTIONS
from utils.documents import read_yaml
from utils.files import read_weights
from utils.registry import pick

BESIDE = "config.yaml"
CODEBOOK_SIZE = 1024  # of EnCodec
HEADS = {"ISTFTHead": "istft", "IMDCTCosHead": "imdct_cos", "IMDCTSymExpHead": "imdct_symexp"}
BACKBONES = {"VocosBackbone": "convnext", "VocosResNetBackbone": "resnet"}
PARTS = ("backbone.", "head.", "feature_extractor.")
MEL = "feature_extractor.mel_spec."


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    return "backbone" in _parts(read_yaml(config))


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "Vocos"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A folder or file of gemelo-ai's Vocos, the mel or the EnCodec variant, or a Lightning checkpoint of its training."""
    c = read_yaml(config_path)
    state = strip(read_weights(_weights(path)), "state_dict")
    arguments, facts, features, state = gemelo_vocos(c, state)
    hop = facts["hop_size"]
    mel_hop = facts["mel_hop_size"]
    if mel_hop != hop:
        raise ValueError(
            f"{config_path}: the mel has a hop of {mel_hop} samples, and the head makes {hop} of a frame: it would not keep time."
        )
    features = {"audio": {}, **features}
    our_card = card("Vocos", facts["sample_rate"], hop, features, arguments, {"n_mel": facts["n_mel"]})
    return our_card, state


def _weights(path: Path) -> Path:
    if path.is_file():
        return path
    names = ("model.safetensors", "pytorch_model.bin")
    files = [path / name for name in names if (path / name).is_file()] or sorted(path.rglob("*.ckpt"))
    if not files:
        raise ValueError(f"{path} holds a config.yaml of Vocos, but no {', '.join(names)} or *.ckpt.")
    return files[0]


def _parts(c: dict[str, Any]) -> dict[str, Any]:
    """The three parts, wherever a release or a training configuration has them."""
    model = c.get("model")
    return model.get("init_args", {}) if isinstance(model, dict) else c


def gemelo_vocos(c: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], State]:
    """Arguments, facts, the features' settings, and weights of ours. Raises ValueError for what does not fit together."""
    parts = _parts(c)
    extractor, extractor_options = _class(parts["feature_extractor"])
    backbone, backbone_options = _class(parts["backbone"])
    head, head_options = _class(parts["head"])
    kind = pick(HEADS, head, "head of Vocos")
    hop = _hop(kind, head_options)
    arguments = {
        "head": kind,
        "backbone": pick(BACKBONES, backbone, "backbone of Vocos"),
        **_backbone_sizes(backbone_options),
        "padding": head_options.get("padding", "same"),
    }
    if kind == "istft":
        arguments["n_fft"] = head_options["n_fft"]
    if head_options.get("clip_audio"):
        raise ValueError(
            "head.init_args.clip_audio: the published code then returns the coefficients, clipped, in place of sound."
        )
    state = {key: value for key, value in state.items() if key.startswith(PARTS)}
    if extractor == "EncodecFeatures":
        facts = _encodec_facts(extractor_options, hop, backbone_options["input_channels"])
        features = {}
        state = encodec_codebooks(state)
        if "codebook_weights" in state:
            arguments["codebooks"] = len(state["codebook_weights"]) // CODEBOOK_SIZE
    else:
        facts, features = _mel(extractor_options, hop)
        if kind != "istft":
            arguments["n_fft"] = features["mel"]["n_fft"]
        state = _without_mel(state, facts["sample_rate"], features["mel"])
    state = _without_tables(modern_keys(state), kind, hop)
    return arguments, facts, features, state


def _hop(kind: str, head_options: dict[str, Any]) -> int:
    """The samples of a frame that the head gives."""
    hop = head_options["hop_length"] if kind == "istft" else head_options["mdct_frame_len"] // 2
    if not 0 < hop <= 2**16:
        raise ValueError(f"head.init_args: a hop of {hop} samples cannot be: the settings are damaged.")
    return hop


def _backbone_sizes(options: dict[str, Any]) -> dict[str, Any]:
    sizes = {
        "dim": options["dim"],
        "num_layers": options.get("num_layers") or options.get("num_blocks"),
        "bandwidths": options.get("adanorm_num_embeddings") or 0,
        "layer_scale": options.get("layer_scale_init_value") or None,
    }
    if "intermediate_dim" in options:
        sizes["intermediate_dim"] = options["intermediate_dim"]
    return sizes


def _class(part: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a part's class, and the arguments that it is given."""
    name = part["class_path"].rsplit(".", 1)[-1]
    return name, part.get("init_args") or {}


def _encodec_facts(options: dict[str, Any], hop: int, channels: int) -> dict[str, Any]:
    """Facts of EncodecFeatures, whose frames have the hop of the head by construction."""
    is_48k = "48" in options.get("encodec_model", "")
    return {
        "sample_rate": 48000 if is_48k else 24000,
        "hop_size": hop,
        "mel_hop_size": hop,
        "n_mel": channels,
    }


def _mel(options: dict[str, Any], hop: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts and features of MelSpectrogramFeatures, its defaults for what is not said."""
    rate = options.get("sample_rate", 24000)
    n_mel = options.get("n_mels", 100)
    n_fft = options.get("n_fft", 1024)
    if not (0 < n_fft <= 2**16 and 0 < n_mel <= 2**12):
        raise ValueError(f"n_fft {n_fft} and n_mels {n_mel} are no sizes of a mel: the settings are damaged.")
    mel = {
        "n_fft": n_fft,
        "win_size": n_fft,
        "n_mel": n_mel,
        "fmin": 0.0,
        "fmax": float(rate // 2),
        "convention": _convention("vocos", padding=options.get("padding", "center")),
    }
    facts = {
        "sample_rate": rate,
        "hop_size": hop,
        "mel_hop_size": options.get("hop_length", 256),
        "n_mel": n_mel,
    }
    return facts, {"mel": mel}


def _convention(base: str, **changes: Any) -> str | dict[str, Any]:
    """A convention with some fields changed, by its name where it has one."""
    how = dataclasses.replace(MEL_CONVENTIONS[base], **changes)
    return next((name for name, known in MEL_CONVENTIONS.items() if known == how), dataclasses.asdict(how))


def encodec_codebooks(state: State) -> State:
    """EnCodec's codebooks as one table, from where the file keeps them; the rest of EnCodec is left out.

    Without any the model reads features alone.
    """
    kept = _without(state, "feature_extractor.")
    if "feature_extractor.codebook_weights" in state:
        return kept | {"codebook_weights": state["feature_extractor.codebook_weights"]}
    layer = "feature_extractor.encodec.quantizer.vq.layers.{}._codebook.embed"
    codebooks = []
    for i in itertools.count():
        if layer.format(i) not in state:
            break
        codebooks.append(state[layer.format(i)])
    if codebooks:
        kept["codebook_weights"] = torch.cat(codebooks)
    return kept


def _without_mel(state: State, rate: int, mel: dict[str, Any]) -> State:
    """The weights less the mel's filters and window. Raises ValueError where these are of another mel than `mel`."""
    bank = filter_bank(
        sample_rate=rate,
        mel_scale="htk",
        norm="none",
        n_fft=mel["n_fft"],
        n_mel=mel["n_mel"],
        fmin=mel["fmin"],
        fmax=mel["fmax"],
    )
    window = torch.hann_window(mel["n_fft"])
    _same(state, f"{MEL}mel_scale.fb", bank)
    _same(state, f"{MEL}spectrogram.window", window)
    return _without(state, MEL)


def _without_tables(state: State, kind: str, hop: int) -> State:
    """The weights less the head's window and twiddles. Raises ValueError where the window is another than ours."""
    if kind == "istft" and "head.istft.window" in state:
        length = len(state["head.istft.window"])
        _same(state, "head.istft.window", torch.hann_window(length))
    elif "head.imdct.window" in state:
        centres = torch.arange(2 * hop) + 0.5
        sine_window = torch.sin(torch.pi / (2 * hop) * centres)
        _same(state, "head.imdct.window", sine_window)
    return _without(state, ("head.istft.", "head.imdct."))


def _without(state: State, prefixes: str | tuple[str, ...]) -> State:
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def _same(state: State, key: str, ours: torch.Tensor) -> None:
    if key in state and (state[key].shape != ours.shape or (state[key].float() - ours).abs().max() > 1e-3):
        raise ValueError(f"{key} in the weights is not what their configuration says: it is of another model.")


def amphion_vocos(config: dict[str, Any], state: State, config_path: Path | None = None) -> tuple[Card, State]:
    """A folder of Amphion's Vocos, whose mel is normalised by `mel_mean` and `mel_var`."""
    p = config["preprocess"]
    n_mel = p.get("n_mel", p.get("num_mels"))
    mean = p.get("mel_mean", 0.0)
    std = p.get("mel_var", 1.0) ** 0.5
    mel = mel_section({**p, "n_mel": n_mel}, "hifigan")
    mel["convention"] = _convention("hifigan", mean=mean, std=std)
    features = {"audio": {}, "mel": mel}
    arguments, state = amphion_vocos_sizes(config["model"]["vocos"], state)
    facts = {"n_mel": n_mel}
    our_card = card("Vocos", p["sample_rate"], p["hop_size"], features, arguments, facts)
    return our_card, state


def amphion_vocos_sizes(c: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """Arguments and weights from a section that names them as Amphion does, its defaults for what is not said."""
    arguments = {
        "dim": c.get("dim", 384),
        "intermediate_dim": c.get("intermediate_dim", 1152),
        "num_layers": c.get("num_layers", 8),
        "n_fft": c.get("n_fft", 800),
        "padding": c.get("padding", "same"),
        "bandwidths": c.get("adanorm_num_embeddings") or 0,
    }
    return arguments, _without_tables(state, "istft", c.get("hop_size", 200))


def amphion_generator(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The same inside a configuration of Amphion's GAN vocoders."""
    if "mel_mean" in config["preprocess"]:
        raise ValueError('preprocess.mel_mean: this Vocos reads a normalised mel; load it with model_type="Vocos".')
    return amphion_vocos_sizes(config["model"]["vocos"], state)
