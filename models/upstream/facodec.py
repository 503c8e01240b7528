"""NaturalSpeech 3's FACodec, of 16 kHz: a folder of `ns3_facodec_encoder.bin`, `ns3_facodec_decoder.bin` and `ns3_facodec_redecoder.bin`.

There is a second version, `ns3_facodec_encoder_v2.bin` and `ns3_facodec_decoder_v2.bin`; naming one of these two files takes it where a
folder has both.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import torch

from models.upstream.common import Card, State, card, rename, strip
from models.upstream.facodec_sizes import asked, books, convolutions, transformer
from modules.norm import modern_keys
from utils.files import read_weights

BESIDE = "ns3_facodec_*.bin"
RATE = 16000
HEADS = 4  # of its transformers, of which weights say nothing
MEL = {"n_fft": 1024, "win_size": 800, "n_mel": 80, "fmax": 8000.0, "convention": "hifigan"}
SECOND = "_v2"

ENCODER = ((r"^block\.", "encoder.block."),)
DECODER = (
    (r"^model\.", "decoder.model."),
    (r"^quantizer\.0\.", "quantizer.prosody."),
    (r"^quantizer\.1\.", "quantizer.content."),
    (r"^quantizer\.2\.", "quantizer.residual."),
    (r"\._codebook\.", ".codebook."),
    (r"^timbre_encoder\.", "timbre.transformer.encoder."),
    (r"^timbre_linear\.", "voice.timbre_linear."),
    (r"^melspec_linear\.", "prosody.linear."),
    (r"^melspec_encoder\.", "prosody.transformer.encoder."),
    (r"^(f0|phone)_predictor\.", r"predictors.\1."),
    (r"^res_(f0|phone)_predictor\.1\.", r"predictors.reversed_\1."),
    (r"^x_timbre_predictor\.1\.", "predictors.reversed_speaker."),
)
REDECODER = (
    (r"^(prosody|content|residual)_embs\.", r"redecoder.\1."),
    (r"^model\.", "redecoder.decoder.model."),
    (r"^timbre_linear\.", "redecoder.voice.timbre_linear."),
    (r"^timbre_cond_prosody_enc\.", "redecoder.prosody_encoder.encoder."),
)
COMPUTED = re.compile(r"(^|\.)position_emb\.pe$|^mel_transform\.|^to_mel\.")  # tables that are worked out here


def knows(config: Path) -> bool:
    """Whether this file is of this program: nobody else calls one so."""
    return True


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "FACodec"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A folder, or one of its files. Raises ValueError where an encoder or its decoder is missing."""
    folder = config_path.parent
    version = _version(path, folder)
    encoder = _weights(folder / f"ns3_facodec_encoder{version}.bin")
    decoder = _weights(folder / f"ns3_facodec_decoder{version}.bin")
    state = translated(encoder, ENCODER) | translated(decoder, DECODER)
    again = folder / "ns3_facodec_redecoder.bin"
    if not version and again.is_file():
        state |= translated(_weights(again), REDECODER)
    arguments, facts = from_ns3(state)
    hop = math.prod(arguments["dac"]["ratios"])
    our_card = card("FACodec", RATE, hop, {"audio": {}}, arguments, facts)
    return our_card, state


def _version(path: Path, folder: Path) -> str:
    """That of the file that was named; of a folder the first, unless it has the second alone."""
    if path.is_file():
        return SECOND if path.stem.endswith(SECOND) else ""
    first = folder / "ns3_facodec_decoder.bin"
    return "" if first.is_file() else SECOND


def _weights(file: Path) -> State:
    if not file.is_file():
        raise ValueError(f"{file} is missing: FACodec is an encoder and a decoder of one version; download it beside the others.")
    return strip(read_weights(file))


def translated(state: State, names: tuple[tuple[str, str], ...]) -> State:
    """Weights under our names, without the tables that are worked out here; of rows that are all in use."""
    kept = {key: value for key, value in modern_keys(state).items() if not COMPUTED.search(key)}
    renamed = {rename(key, names): value for key, value in kept.items()}
    return renamed | _in_use(renamed)


def _in_use(state: State) -> State:
    """How often the rows of each codebook are chosen, which only training here counts."""
    counts = {}
    for key, value in state.items():
        name, is_rows, _ = key.partition(".codebook.weight")
        if is_rows:
            counts[f"{name}.counts"] = torch.ones(len(value))
    return counts


def from_ns3(state: State, heads: int = HEADS) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of our model, and facts, as weights under our names tell them."""
    phones, facts = asked(state)
    timbre = transformer(state, "timbre.transformer.encoder", heads)
    arguments: dict[str, Any] = {
        "dac": convolutions(state) | {"padding": "zero", "antialiased": True},
        "books": books(state),
        "spectrogram": MEL,
        "timbre": {"source": "latent", "transformer": timbre},
        "prosody": {"source": "latent"},
        "predictors": {"phones": phones, "timbre": False, "register": False},
    }
    bands = state.get("prosody.linear.weight")
    if bands is not None:
        sizes = transformer(state, "prosody.transformer.encoder", heads)
        arguments["prosody"] = {"encoder": "transformer", "bands": bands.shape[1], "transformer": sizes}
    if "redecoder.prosody.0.weight" in state:
        arguments["redecoder"] = redecoder(state, heads)
    return arguments, facts


def redecoder(state: State, heads: int) -> dict[str, Any]:
    """The section of that name. Its decoder is the codec's but for its width."""
    sizes = transformer(state, "redecoder.prosody_encoder.encoder", heads)
    first = state["redecoder.decoder.model.0.parametrizations.weight.original1"]
    return {"decoder_filters": first.shape[0], "prosody": sizes, "each": True}
