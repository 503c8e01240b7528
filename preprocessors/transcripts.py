"""Words for recordings that have none: what a Whisper hears, kept beside the manifests, so that each is heard once.

No corpus itself.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils import pretrained
from utils.files import parse_json, read_lines
from utils.log import main_process
from utils.progress import progress
from utils.transcription import WHISPER

if TYPE_CHECKING:
    from preprocessors.base import Utterance
    from utils.transcription import Transcription

Reasons = list[tuple[str, str]]


def transcribed(utterances: list[Utterance], how: Transcription, folder: Path) -> tuple[list[Utterance], Reasons]:
    """The utterances with the words that were heard in those without, and (id, why) of those in which none were.

    `folder` is that of the manifests. An interrupted run goes on where it ended. Where there is no Whisper, all without words are listed.
    """
    mute = [utterance for utterance in utterances if not utterance.text.strip()]
    if mute and how.absent:
        reason = f"it has no transcript, and {WHISPER.name} {how.absent}"
        return utterances, [(utterance.id, reason) for utterance in mute]
    texts, reasons = _heard(mute, how, folder) if mute else ({}, [])
    named = []
    for utterance in utterances:
        text = texts.get(utterance.id, utterance.text)
        named.append(replace(utterance, text=text))
    return named, reasons


def _heard(mute: list[Utterance], how: Transcription, folder: Path) -> tuple[dict[str, str], Reasons]:
    """(id -> words, (id, why there are none))."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"heard-{pretrained.digest(how.place)}.jsonl"
    known = _known(path)
    texts = {}
    reasons = []
    with path.open("a", encoding="utf-8") as file:
        file.write(_line_end(path))
        for utterance in progress(mute, desc="transcribe", disable=not main_process()):
            key = _key(utterance)
            try:
                if key not in known:
                    known[key] = how(utterance.read(), utterance.language)
                    row = {"sound": key, "text": known[key]}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    file.flush()
                texts[utterance.id] = known[key]
            except ValueError as error:
                reasons.append((utterance.id, f"it cannot be transcribed: {error}"))
                continue
            if not known[key]:
                reasons.append((utterance.id, "no words are heard in it"))
    return texts, reasons


def _line_end(path: Path) -> str:
    """What a file lacks whose last line was cut short: the next one would be lost with it."""
    content = path.read_bytes()
    return "\n" if content and not content.endswith(b"\n") else ""


def _key(utterance: Utterance) -> str:
    return f"{utterance.audio_digest} {utterance.language}"


def _known(path: Path) -> dict[str, str]:
    """What was heard before: sound and language -> words. A last line that was cut short is heard again."""
    known: dict[str, str] = {}
    if not path.is_file():
        return known
    cut: list[tuple[int, str]] = []  # within a letter
    for number, line in read_lines(path, cut):
        try:
            row: dict[str, Any] = parse_json(line, dict[str, str], f"{path}:{number}")
            known[row["sound"]] = row["text"]
        except (ValueError, KeyError):
            continue
    return known
