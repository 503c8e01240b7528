"""The sizes of a FACodec, as its weights tell them: its files hold no settings. Of parts that are not there, nothing is said."""

from __future__ import annotations

import re
from typing import Any

from models.upstream.common import State, numbers_of

FACTORS = ("prosody", "content", "residual")
DIRECTION = r"(?:\.conv)?\.parametrizations\.weight\.original1$"  # of a convolution's weight


def shapes(state: State, pattern: str) -> list[tuple[int, ...]]:
    """The shapes of the weights whose names match, in the order of the numbers in these."""
    names = [name for name in state if re.match(pattern, name)]
    names.sort(key=numbers_of)
    return [tuple(state[name].shape) for name in names]


def convolutions(state: State) -> dict[str, Any]:
    """The section `dac`."""
    sizes: dict[str, Any] = {"lstm": lstm_layers(state)}
    for name, value in state.items():
        if name.endswith("voice.timbre_linear.weight"):
            sizes["latent"] = value.shape[1]
    ends = shapes(state, r"encoder\.block\.\d+" + DIRECTION)
    if ends:
        strided = shapes(state, r"encoder\.block\.\d+\.block\.4" + DIRECTION)
        ratios = [shape[2] // 2 for shape in reversed(strided)]
        sizes |= {"filters": ends[0][0], "latent": ends[-1][0], "ratios": ratios}
    for decoder in (r"decoder\.model\.", r"redecoder\.decoder\.model\."):
        ends = shapes(state, decoder + "0" + DIRECTION)
        strided = shapes(state, decoder + r"\d+\.block\.1" + DIRECTION)
        if ends and "decoder_filters" not in sizes:
            sizes |= {"decoder_filters": ends[0][0], "ratios": [shape[2] // 2 for shape in strided]}
            sizes["latent"] = ends[0][1]
    return sizes


def lstm_layers(state: State) -> int:
    """Of the encoder, or of the decoder where there is no encoder."""
    of_encoder = shapes(state, r"encoder\.block\.\d+\.lstm\.weight_hh_l")
    of_decoder = shapes(state, r"decoder\.model\.\d+\.lstm\.weight_hh_l")
    return len(of_encoder or of_decoder)


def books(state: State) -> dict[str, Any]:
    """The section `books`, of the quantisers or of the redecoder's tables; published rows are taken at their own length."""
    counts = []
    rows = []
    for factor in FACTORS:
        found = shapes(state, rf"quantizer\.{factor}\.layers\.\d+\.codebook\.weight$")
        found = found or shapes(state, rf"redecoder\.{factor}\.\d+\.weight$")
        if not found:
            return {"unit_rows": False}
        counts.append(len(found))
        rows.append(found[0][0])
    sizes: dict[str, Any] = {"counts": counts, "rows": rows, "unit_rows": False}
    codebook = state.get("quantizer.prosody.layers.0.codebook.weight")
    if codebook is not None:
        sizes["row_channels"] = codebook.shape[1]
    return sizes


def transformer(state: State, place: str, heads: int) -> dict[str, Any]:
    """The sizes of a transformer over frames, whose positions were those of the items in the batch: one alone has the first."""
    filters = shapes(state, re.escape(place) + r"\.layers\.\d+\.ffn\.ffn_1\.weight$")
    if not filters:
        return {}
    outputs, _, kernel = filters[0]
    return {"layers": len(filters), "heads": heads, "filter": outputs, "kernel": kernel, "positions": "first"}


def asked(state: State) -> tuple[bool, dict[str, int]]:
    """Whether there are predictors of phones; and the facts that the predictors tell."""
    facts = {"n_speakers": 1}
    speakers = state.get("predictors.reversed_speaker.heads.0.weight")
    if speakers is not None:
        facts["n_speakers"] = speakers.shape[0]
    phones = state.get("predictors.phone.heads.0.weight")
    if phones is not None:
        facts["n_vocab"] = phones.shape[0]
    return phones is not None, facts
