"""transformers' VitsModel (the MMS voices among them): config.json, model.safetensors, vocab.json, tokenizer_config.json."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from models.upstream.common import Card, State, card, numbered, strip, transformers_weights
from utils.files import read_json, read_weights

BESIDE = "config.json"


def knows(config: Path) -> bool:
    """Whether this configuration is of this program."""
    return read_json(config, dict[str, Any]).get("model_type") == "vits"


def makes(config: Path, model_type: str | None) -> str:
    """The name of our model."""
    return "VITS"


def read(path: Path, config_path: Path, model_type: str | None) -> tuple[Card, State]:
    """A folder that `save_pretrained` wrote. Raises ValueError for a tokenizer that is not here."""
    from models.upstream.vits_maps import from_transformers

    c = read_json(config_path, dict[str, Any])
    arguments, facts, state = from_transformers(c, strip(read_weights(transformers_weights(path))))
    phone, symbols, language = _text(config_path.parent)
    linear = {"n_fft": arguments["n_fft"], "win_size": arguments["win_size"]}
    our_card = card(
        "VITS",
        c["sampling_rate"],
        math.prod(c["upsample_rates"]),
        {"phone": phone, "linear": linear, "audio": {}},
        arguments,
        facts,
        numbered(facts["n_speakers"]),
    )
    return our_card | {"learned": {"phone": {"symbols": symbols}}, "language": language}, state


def _text(folder: Path) -> tuple[dict[str, Any], list[str], str]:
    """The settings of the feature "phone", its symbols in order, and the language."""
    table = folder / "vocab.json"
    if not table.is_file():
        raise ValueError(f"{table} is missing: it holds the symbols of this model.")
    vocabulary = read_json(table, dict[str, Any])
    tokenizer = folder / "tokenizer_config.json"
    options = read_json(tokenizer, dict[str, Any]) if tokenizer.is_file() else {}
    language = options.get("language") or "en-us"
    if options.get("is_uroman"):
        raise ValueError(f"{folder}: its language {language!r} is first written in Latin letters by the program uroman, which is not here.")
    symbols = sorted(vocabulary, key=vocabulary.get)
    numbers = [vocabulary[symbol] for symbol in symbols]
    if numbers != list(range(len(symbols))):
        raise ValueError(f"{table} does not number its symbols from 0 to {len(symbols) - 1}.")
    blanks = options.get("add_blank", True)
    our_language = ENGLISH.get(language, language)
    if not options.get("phonemize", True):
        phone = {"g2p": "characters", "symbols": "letters", "blanks": blanks}
        return phone, symbols, our_language
    if our_language != "en-us":
        raise ValueError(f"{folder}: its phones are those of espeak's {language!r}; only en-us is known in this form.")
    phone = {"symbols": "vits", "blanks": blanks}
    return phone, symbols, our_language


ENGLISH = {"eng": "en-us", "en": "en-us", "english": "en-us"}
