"""Files of text and lines: what ends a line, other encodings, and what a full disk says."""

import pytest

from preprocessors.base import Utterance, read_manifest, write_manifest
from utils.files import read_lines, read_text

MARKS = "a\u2028b\u0085c\x0bd\x0ce\x1cf\u2029g\x00h\ri"  # str.splitlines ends a line at each of these but NUL


def test_only_newlines_end_a_line(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes(f"\ufeffone\r\n{MARKS}\n\nlast".encode())
    assert list(read_lines(path)) == [(1, "one"), (2, MARKS), (3, ""), (4, "last")]
    assert read_text(path) == f"one\n{MARKS}\n\nlast"


def test_a_manifest_keeps_every_character_of_its_texts(tmp_path):
    rows = [Utterance("a", text=MARKS, speaker=MARKS), Utterance("b", text="plain")]
    assert read_manifest(write_manifest(tmp_path / "train.jsonl", rows)) == rows


def test_another_encoding_is_named_with_file_and_line(tmp_path):
    path = tmp_path / "metadata.csv"
    path.write_bytes(b"a|good\nb|" + "caf\u00e9".encode("latin-1") + b"\nc|good\n")
    with pytest.raises(ValueError, match=r"metadata.csv:2: byte 0xe9 at 'b\|caf' is not in UTF-8: save the file again"):
        list(read_lines(path))
    bad = []
    assert [number for number, _ in read_lines(path, bad)] == [1, 3]
    assert bad == [(2, "byte 0xe9 at 'b|caf' is not in UTF-8")]
    path.write_text("a|good\n", encoding="utf-16")
    with pytest.raises(ValueError, match="metadata.csv is in UTF-16: save it again as UTF-8"):
        list(read_lines(path))
