"""Text front ends against recorded ids of the published ones.

Not reproducible here, and how it is met: g2p_en's network and dictionary for words without a lexicon line (the file
records some of what they gave, used as the fallback; any phones pass for a word it does not record), its choice by part
of speech (`homographs_in_sentences`: any recorded pronunciation passes), and espeak versions other than the installed
one (their ids are checked, from the tokens recorded).
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from processors import g2p
from processors.lexicon import published
from processors.text import interspersed

UNRECORDED = "UNRECORDED"  # stands for whatever g2p_en's network gave


def agree(ours: list[str], recorded: list[str]) -> bool:
    pattern = "".join(r"(?: [A-Z]+\d?)+" if phone == UNRECORDED else " " + re.escape(phone) for phone in ours)
    return re.fullmatch(pattern, "".join(" " + phone for phone in recorded)) is not None


def ids(table: dict[str, int], tokens: list[str]) -> list[int]:
    return [table[token] for token in tokens if token in table]


def speakers(golden: dict[str, Any]):
    """One way of saying unknown words for each combination of homographs."""
    said = {w.lower(): prons for w, prons in golden["g2p_en_cmudict_subset"].items()}
    guessed = golden["g2p_en_oov_predictions"]
    unsure = [w for w in golden["homographs_in_sentences"] if len(said.get(w, [])) > 1]
    for choice in itertools.product(*(said[w] for w in unsure)):
        chosen = dict(zip(unsure, choice, strict=True))

        def word(text: str, chosen: dict = chosen) -> list[str]:
            if not text[0].isalpha():
                return [text]
            return chosen.get(text) or (said[text][0] if text in said else guessed.get(text, [UNRECORDED]))

        yield lambda piece, word=word: [phone for w in published.spoken_words(piece) for phone in word(w)]


def check_sentences(golden: dict[str, Any], lexicon: dict[str, list[str]]) -> None:
    amphion, ming = published.index(published.amphion()), published.index(published.ming024())
    ns2 = published.index(published.naturalspeech2())
    for row in golden["sentences"]:
        text = row["text"]
        for cleaner in ("english_cleaners", "transliteration_cleaners", "basic_cleaners"):
            assert published.CLEANERS[cleaner](text) == row[cleaner], (cleaner, text)
        assert ids(amphion, published.characters(text)) == row["char_ids_english_cleaners"], text
        spoken = [published.lexicon_phones(text, lexicon, say) for say in speakers(golden)]
        phones = row["lexicon_phones"]
        assert any(agree(ours, phones) for ours in spoken), f"{text!r}: {spoken[0]} is not {phones}"
        braced = published.characters("{ " + " ".join(phones) + " }")
        assert ids(amphion, braced) == row["fs2_ids"] and ids(ming, braced) == row["ming024_fs2_ids"], text
        assert ids(amphion, published.characters(" ".join(phones))) == row["vits_lexicon_ids_no_braces"], text
        assert [ns2.get(phone) for phone in phones] == row["ns2_ids"], text


def same_espeak(versions: dict[str, Any]) -> bool:
    """True when these results come from the installed phonemizer and espeak-ng."""
    import phonemizer
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    g2p.espeak("hello")  # names the library that comes with espeakng-loader
    installed = [*EspeakWrapper().version][:2]
    recorded = [*versions["espeak-ng"]][:2]
    return str(phonemizer.__version__) == str(versions["phonemizer"]) and installed == recorded


def check_espeak(sentences: list[dict], recorded: dict[str, Any], installed: bool) -> None:
    table = published.read_symbols_dict(recorded["amphion_symbols_dict_file"])
    index = published.index(table)
    assert index == recorded["amphion_token2idx"]
    vits = published.index(published.vits())
    for row, said in zip(sentences, recorded["amphion"], strict=True):
        numbers = [index[token] for token in ["<bos>", *said["espeak_tokens"], "<eos>"]]
        assert numbers == said["espeak_ids_bos_eos"], row["text"]
        assert interspersed(_array(numbers)).tolist() == said["vits_ids_add_blank"], row["text"]
        if installed:
            assert published.espeak_tokens(row["text"]) == said["espeak_tokens"], row["text"]
    for row, said in zip(sentences, recorded.get("jaywalnut310_english_cleaners2", []), strict=False):
        if installed:
            assert published.english_cleaners2(row["text"]) == said["english_cleaners2"], row["text"]
        numbers = ids(vits, list(said["english_cleaners2"]))
        assert numbers == said["ids"] and interspersed(_array(numbers)).tolist() == said["ids_add_blank"], row["text"]


def _array(numbers: list[int]):
    import numpy as np

    return np.array(numbers, dtype=np.int64)


def check(path: Path) -> None:
    golden = json.loads(Path(path).read_text(encoding="utf-8"))
    lexicon = published_lexicon(golden)
    check_sentences(golden, lexicon)
    compared = []
    for name, recorded in golden["espeak"].items():
        installed = same_espeak(recorded["versions"])
        compared += [name] if installed else []
        check_espeak(golden["sentences"], recorded, installed)
    vits = published.index(published.vits())
    for pair in golden["jaywalnut310_filelist_pairs"]["pairs"]:
        assert ids(vits, list(pair["upstream_cleaned"])) == pair["ids"], pair["text"]
    assert compared or pytest.skip(f"no espeak results for the installed versions among {list(golden['espeak'])}")


def published_lexicon(golden: dict[str, Any]) -> dict[str, list[str]]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lexicon.txt"
        path.write_text(golden["lexicon_file"], encoding="utf-8")
        return dict(g2p.read_lexicon(str(path)))


CASES = {"text_frontend.json": check}
