"""VALL-E as Amphion and lifeiteng name it, under our names: the arguments, facts and state dict that our model takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from models.upstream.common import State, rename

Parts = tuple[dict[str, Any], dict[str, Any], State]

NAMES = (
    (r"^(ar|nar)_", r"\1."),
    (r"_embedding\.word_embeddings\.", "_embedding."),
    (r"\.in_proj_(weight|bias)$", r".in_proj.\1"),
)
BOOK = "nar_audio_embeddings.{}.word_embeddings.weight"
HEAD = "nar_predict_layers.{}.weight"
STAGE = "nar_stage_embeddings.{}.word_embeddings.weight"
PRENET = re.compile(r"^((?:ar|nar)_(?:text|audio)_prenet)\.(\d+)\.(.+)$")
# Where the layers of our prenets stand in theirs, which have others between them.
LAYERS = {"text": (0, 1, 4, 5, 8, 9, 12), "audio": (0, 3, 6)}


def from_published(config: Mapping[str, Any], state: State) -> Parts:
    """Arguments, facts and weights for the sizes of a configuration, named as in both programs. Raises ValueError for one without a second
    network."""
    books = config["num_quantizers"]
    shares = bool(config.get("share_embedding", True))
    if books < 2:
        raise ValueError(f"num_quantizers is {books}: VALLE here has two networks, and so 2 or more.")
    arguments = {
        "hidden": config["decoder_dim"],
        "decoder": {
            "layers": config["num_decoder_layers"],
            "heads": config["nhead"],
            "norm_first": config["norm_first"],
        },
        "nar_scale": float(config.get("nar_scale_factor", 1.0)),
        "prenet": bool(config.get("add_prenet", False)),
        "prefix": {"mode": int(config.get("prefix_mode", 0))},
        "share_embedding": shares,
        "prepend_bos": bool(config.get("prepend_bos", False)),
    }
    weights = renamed(state, books, shares)
    size, _ = weights["ar.predict_layer.weight"].shape
    symbols = len(weights["ar.text_embedding.weight"])
    facts = {"n_vocab": symbols, "codebooks": books, "codebook_size": size - 1}
    return arguments, facts, weights


def renamed(state: State, books: int, shares: bool) -> State:
    """The weights under our names: the embeddings of the second network as one table, and what two names share once."""
    left = dict(state)
    embeddings = [left.pop(BOOK.format(book), None) for book in range(books)]
    heads = [left.pop(HEAD.format(stage), None) for stage in range(books - 1)]
    stages = [left.pop(STAGE.format(stage)) for stage in range(books - 1)]
    if shares:  # a writer may have left out either name of a tensor that has two
        for book in range(2, books):
            if embeddings[book] is None:
                embeddings[book] = heads[book - 2]
        heads = heads[-1:]
    for rows in (*embeddings, *heads):
        if rows is None:
            raise ValueError("the weights lack embeddings or heads of a codebook: the file is damaged, or of another program.")
    ours = {rename(key, NAMES): value for key, value in in_order(left).items()}
    ours["nar.audio_embedding.weight"] = torch.cat([*embeddings, *heads])
    ours["nar.stage_embedding.weight"] = torch.cat(stages)
    return ours


def in_order(state: State) -> State:
    """The layers of prenets under our numbers, which count no layer that only moves axes."""
    found: dict[str, set[int]] = {}
    for key in state:
        layer = PRENET.match(key)
        if layer:
            found.setdefault(layer[1], set()).add(int(layer[2]))
    ours = {}
    for key, value in state.items():
        layer = PRENET.match(key)
        if layer is None:
            ours[key] = value
            continue
        prenet, number, rest = layer.groups()
        kind = "text" if "_text_" in prenet else "audio"
        place = sorted(found[prenet]).index(int(number))
        if place >= len(LAYERS[kind]):
            raise ValueError(f"{prenet} has {len(found[prenet])} layers with weights, and {len(LAYERS[kind])} are known.")
        ours[f"{prenet}.{LAYERS[kind][place]}.{rest}"] = value
    return ours
