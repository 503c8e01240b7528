"""Somebody's words within a Markdown page of ours: read as they were written, and never as mark-up."""

from __future__ import annotations

import re

# What stays as it is: an address, which is shown as one, and a word of code, within which nothing is mark-up.
KEPT = re.compile(r"https?://[^\s<>\"|\\^`{}\[\]*]+|`[^`\n]+`")
MARKS = re.compile(r"[\\`*_\[\]#|~!$]")
STARTS = re.compile(r"^([-+=]|\d+(?=[.)]))")  # lists, and the lines that make a heading of what stands above
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def paragraphs(text: str) -> str:
    """`text` in its lines: no heading, list, picture, link or HTML comes of it."""
    return "\n".join(_line(line.strip()) for line in text.splitlines())


def one_line(text: str) -> str:
    """`text` as a heading or a cell of a table holds it."""
    return _line(" ".join(text.split()))


def _line(text: str) -> str:
    line = ""
    end = 0
    for kept in KEPT.finditer(text):
        line += _escaped(text[end : kept.start()])
        line += kept[0].replace("|", r"\|")
        end = kept.end()
    line += _escaped(text[end:])
    return STARTS.sub(_started, line)


def _escaped(text: str) -> str:
    plain = MARKS.sub(r"\\\g<0>", text)
    return re.sub("[&<>]", lambda match: ENTITIES[match[0]], plain)


def _started(match: re.Match[str]) -> str:
    return f"{match[1]}\\" if match[1].isdigit() else f"\\{match[1]}"
