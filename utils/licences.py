"""What a licence says of use for money, from the words that it is called by. It is no advice of a lawyer, and reads no licence's text."""

from __future__ import annotations

import re

UNTOLD = "not told"  # by those who published it, or by the user of a corpus of their own
RESTRICTED = re.compile(
    r"\bNC\b|\bnon-?commercial\b|\bacademic\b|\bresearch\b.*\bonly\b|\bonly for research\b|\bnot for (?:trade|commercial)\b", re.I
)
SHARED_ALIKE = re.compile(r"\bSA\b|\bshare-?alike\b|\bA?GPL\b", re.I)
KNOWN = {  # what a hub calls it -> how people do
    "apache-2.0": r"apache",
    "cc0-1.0": r"\bcc0\b|public domain",
    "cc-by-nc-sa-4.0": r"cc[ -]by-nc-sa",
    "cc-by-nc-4.0": r"cc[ -]by-nc",
    "cc-by-sa-4.0": r"cc[ -]by-sa",
    "cc-by-4.0": r"cc[ -]by\b(?!-)",
    "mit": r"\bmit\b",
}


def restricted(licence: str) -> bool:
    """Whether it keeps what it is for from being used for money: "CC BY-NC 4.0", "research only"."""
    return bool(RESTRICTED.search(licence))


def shared_alike(licence: str) -> bool:
    """Whether what is made of it must come under the same licence: "CC BY-SA 4.0"."""
    return bool(SHARED_ALIKE.search(licence))


def is_told(licence: str) -> bool:
    """Whether it says anything of all that it is for."""
    return bool(licence) and UNTOLD not in licence


def hub_name(licence: str) -> str:
    """What model hubs call it, "other" where it has no name there."""
    return next((name for name, words in KNOWN.items() if re.search(words, licence, re.I)), "other")
