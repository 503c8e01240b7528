"""Amphion's FACodec of 24 kHz: `FAcodec_*.pth`, as its training code writes them, of the networks encoder, quantizer, decoder and others."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from models.upstream.common import Card, State, card, strip
from models.upstream.facodec import ENCODER, translated
from models.upstream.facodec_sizes import asked, books, convolutions, shapes
from utils.files import read_weights

BESIDE = "FAcodec*.pth"
RATE = 24000
LAYERS = ((r"\.(conv|convtr)\.(conv|convtr)\.", ".conv."),)
QUANTIZER = (
    (r"^(prosody|content|residual)_quantizer\.quantizers\.", r"quantizer.\1.layers."),
    (r"^timbre_encoder\.", "timbre."),
    (r"^timbre_linear\.", "voice.timbre_linear."),
    (r"^melspec_linear\.", "prosody.first."),
    (r"^melspec_encoder\.", "prosody."),
    (r"^melspec_linear2\.", "prosody.last."),
)
PREDICTORS = (
    (r"^(f0|phone)_predictor\.", r"predictors.\1."),
    (r"^timbre_predictor\.", "predictors.speaker."),
    (r"^global_f0_predictor\.", "predictors.register."),
    (r"^rev_f0_predictor\.1\.", "predictors.reversed_f0."),
    (r"^rev_content_predictor\.1\.", "predictors.reversed_phone."),
    (r"^rev_timbre_predictor\.1\.", "predictors.reversed_speaker."),
    (r"^rev_global_f0_predictor\.1\.", "predictors.reversed_register."),
)
NETWORKS = {  # those of a generator; the discriminator is read by `discriminator`
    "encoder": (*LAYERS, *ENCODER),
    "quantizer": (*LAYERS, *QUANTIZER),
    "decoder": (*LAYERS, (r"^model\.", "decoder.model.")),
    "fa_predictors": PREDICTORS,
}


def knows(config: Path) -> bool:
    """Whether this file is of this program: nobody else calls one so."""
    return True


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "FACodec"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """The file, or the folder that it is in. Raises ValueError for one without the networks of a codec."""
    checkpoint = read_weights(config_path)
    networks = checkpoint.get("net", checkpoint)
    lacking = [name for name in NETWORKS if not isinstance(networks.get(name), dict)]
    if lacking:
        raise ValueError(f"{config_path} has no {', '.join(lacking)} under net: is it another program's, or cut down?")
    state: State = {}
    for name in NETWORKS:
        state |= network(name, strip(networks[name]))
    arguments, facts = from_amphion(state)
    hop = math.prod(arguments["dac"]["ratios"])
    our_card = card("FACodec", RATE, hop, {"audio": {}}, arguments, facts)
    return our_card, state


def network(name: str, state: State) -> State:
    """One of `NETWORKS` under our names: snakes are (channels,), and projections linear."""
    renamed = translated(state, NETWORKS[name])
    return {key: _flattened(key, value) for key, value in renamed.items()}


def _flattened(key: str, value: Tensor) -> Tensor:
    if key.endswith(".alpha") and value.ndim == 3:
        return value.flatten()
    projects = re.search(r"\.(in|out)_proj\.parametrizations\.", key)
    return value.squeeze(-1) if projects else value


def from_amphion(state: State, causal: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of our model, and facts, as weights under our names tell them."""
    phones, facts = asked(state)
    arguments: dict[str, Any] = {
        "predictors": {"phones": phones},
        "dac": convolutions(state) | {"padding": "causal" if causal else "reflect"},
        "books": books(state),
        "prosody": prosody(state),
    }
    spectral = shapes(state, r"timbre\.spectral\.\d+\.weight$")
    if spectral:
        (kernel, *_) = [shape[2] for shape in shapes(state, r"timbre\.temporal\.\d+\.conv1\.weight$")]
        arguments["timbre"] = {"hidden": spectral[0][0], "kernel_size": kernel}
        arguments["spectrogram"] = {"n_mel": spectral[0][1]}
    return arguments, facts


def prosody(state: State) -> dict[str, Any]:
    """The section of that name. Without layers of its own, prosody is coded from the encoder's output."""
    gates = shapes(state, r"prosody\.in_layers\.\d+\.conv\.parametrizations\.weight\.original1$")
    if not gates:
        return {"source": "latent"}
    _, hidden, kernel = gates[0]
    bands = state["prosody.first.conv.weight"].shape[1]
    return {"bands": bands, "hidden": hidden, "layers": len(gates), "kernel_size": kernel}
