"""r9y9's WaveNet: checkpoint_step*.pth next to the hparams*.json that its programs write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, mel_section, numbers_of, strip, tuple_of
from modules.norm import modern_keys
from utils.files import read_json, read_weights

BESIDE = "*.json"


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    settings = read_json(config, dict[str, Any])
    return {"cin_channels", "skip_out_channels", "upsample_params"} <= settings.keys()


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "WaveNet"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A checkpoint_step*.pth, or of a folder the furthest; averaged weights (_ema) before others."""
    c = read_json(config_path, dict[str, Any])
    file = path
    if path.is_dir():
        files = sorted(path.rglob("checkpoint_step*.pth"), key=_progress)
        if not files:
            raise ValueError(f"{path} holds {config_path.name}, but no checkpoint_step*.pth.")
        file = files[-1]
    weights = strip(read_weights(file), "state_dict")
    arguments, facts, state = wavenet(c, weights)
    n_fft = c.get("fft_size", 1024)
    mel = {
        "n_fft": n_fft,
        "win_size": c.get("win_length") or n_fft,
        "n_mel": facts["n_mel"],
        "fmin": c.get("fmin") or 0,
        "fmax": c.get("fmax"),
        "convention": "parallelwavegan",
    }
    features = {"audio": {}, "mel": mel}
    our_card = card("WaveNet", c["sample_rate"], hop_of(c), features, arguments, facts)
    return our_card, state


def _progress(file: Path) -> tuple[Any, ...]:
    """Averaged weights sort behind others, then by step."""
    return "_ema" in file.stem, numbers_of(file.name)


def wavenet(c: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any], State]:
    """Our constructor's arguments and facts, and the weights under our names.

    Raises ValueError for the networks of 2018, whose upsampling is another one, and for one without a mel.
    """
    up = c.get("upsample_params", {})
    if any(".up_layers." not in k and k.startswith("upsample_conv") for k in state):
        raise ValueError("this WaveNet upsamples by transposed convolutions, as before 2019; only later checkpoints can be read.")
    if c.get("cin_channels", -1) <= 0:
        raise ValueError(f"cin_channels {c.get('cin_channels')}: a WaveNet without a mel as its condition is no vocoder.")
    scales = tuple_of(up.get("upsample_scales", ())) if c.get("upsample_conditional_features", True) else ()
    if up.get("mode", "nearest") != "nearest":
        raise ValueError(f'upsample_params.mode {up["mode"]!r}: only "nearest" can be read.')
    activation, values = up.get("upsample_activation", "none"), up.get("upsample_activation_params", {})
    upsampling = {
        "factors": scales,
        "context": up.get("cin_pad", c.get("cin_pad", 0)),
        "bands": up.get("freq_axis_kernel_size", 1),
        "convolve": c.get("upsample_net", "ConvInUpsampleNetwork") == "ConvInUpsampleNetwork",
        "activation": activation,
        "slope": values.get("negative_slope", 0.01),
    }
    arguments = sizes(c) | {
        "output": output(c),
        "one_hot": not c.get("scalar_input", False),
        "upsampling": upsampling,
        "speaker_channels": max(0, c.get("gin_channels", -1)),
        "embed_speakers": c.get("use_speaker_embedding", True) and c.get("n_speakers") is not None,
    }
    facts = {"n_mel": c["cin_channels"], "n_speakers": c.get("n_speakers") or 1}
    return arguments, facts, modern_keys(state)


def read_amphion(config: dict[str, Any], state: State, config_path: Path) -> tuple[Card, State]:
    """A run of Amphion's WaveNet: sizes stand under VOCODER, what the mel is under `preprocess`."""
    p = config["preprocess"]
    arguments, facts, state = amphion(config, state)
    mel = mel_section(p, "hifigan")
    features = {"audio": {}, "mel": mel}
    our_card = card("WaveNet", p["sample_rate"], p["hop_size"], features, arguments, facts)
    return our_card, state


def amphion(config: dict[str, Any], state: State) -> tuple[dict[str, Any], dict[str, Any], State]:
    """Amphion's WaveNet: r9y9's, but that zeros stand around the mel and what they touch is trimmed."""
    c = {name.lower(): value for name, value in config["VOCODER"].items()}
    upsampling = {
        "factors": tuple_of(c["upsample_scales"]),
        "context": c["mel_frame_pad"],
        "trim": True,
    }
    arguments = sizes(c) | {
        "output": output(c),
        "one_hot": not c["scalar_input"],
        "upsampling": upsampling,
    }
    facts = {"n_mel": c["input_dim"]}
    return arguments, facts, modern_keys(state)


def sizes(c: dict[str, Any]) -> dict[str, Any]:
    """The sizes that we name as r9y9 does, and the one that we do not."""
    same = ("layers", "stacks", "residual_channels", "gate_channels", "kernel_size", "dropout")
    return {name: c[name] for name in same} | {"skip_channels": c["skip_out_channels"]}


def output(c: dict[str, Any]) -> dict[str, Any]:
    """The distribution: categorical without scalar input, else what output_distribution says. Raises ValueError for others."""
    channels = c["out_channels"]
    if not c.get("scalar_input", False):
        return {"kind": "categorical", "classes": channels}
    kinds = {"Logistic": "logistic", "Normal": "gaussian"}
    kind = "Normal" if channels == 2 else c.get("output_distribution", "Logistic")
    if kind not in kinds or (channels != 2 and channels % 3):
        raise ValueError(
            f"output_distribution {kind!r} of out_channels {channels} cannot be read; those that can: {', '.join(kinds)}, of a multiple "
            'of 3 channels, or "Normal" of 2.'
        )
    distribution = {"kind": kinds[kind], "mixtures": max(1, channels // 3), "classes": max(c.get("quantize_channels", 65536), 2)}
    return distribution | {"log_scale_min": float(c.get("log_scale_min", -7.0))}


def hop_of(c: dict[str, Any]) -> int:
    """Samples between two frames; given directly, or as frame_shift_ms."""
    if c.get("hop_size"):
        return int(c["hop_size"])
    return int(c["frame_shift_ms"] / 1000 * c["sample_rate"])
