"""Durations: TextGrids both ways, the matching of tokens and labels, and the aligner against known boundaries."""

from pathlib import Path

import pytest

from processors.duration import read_textgrid, write_srt, write_textgrid

SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
2
"IntervalTier"
"anna - words"
0
1.5
1
0
1.5
"say ""hi"""
"IntervalTier"
"anna - Phones"
0
1.5
4
0
0.25
"sil"
0.25
0.75
"h"
0.75
1.25
"a""ɪ"
1.25
1.5
"spn"
'''


def test_short_format_quotes_and_speaker_tiers(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(SHORT, encoding="utf-8")
    assert read_textgrid(path) == [("", 0.0, 0.25), ("h", 0.25, 0.75), ('a"ɪ', 0.75, 1.25), ("", 1.25, 1.5)]
    assert read_textgrid(path, "word") == [('say "hi"', 0.0, 1.5)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_round_trip_fills_gaps_with_silence(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "deep" / "a.TextGrid"
    phones = [("", 0.0, 0.1), ('"', 0.1, 0.2), ("tʃ", 0.25, 0.4), ("item [1]:", 0.4, 0.5), ("", 0.5, 0.9)]
    write_textgrid(path, {"words": [("1", 0.1, 0.4)], "phones": phones})
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert read_textgrid(path) == phones[:2] + [("", 0.2, 0.25)] + phones[2:]
    assert read_textgrid(path, "words") == [("", 0.0, 0.1), ("1", 0.1, 0.4), ("", 0.4, 0.9)]
    assert _read_by_praat(path, 2) == read_textgrid(path)


def _read_by_praat(path: Path, tier: int) -> list[tuple[str, float, float]]:
    parselmouth = pytest.importorskip("parselmouth")
    grid, call = parselmouth.read(str(path)), parselmouth.praat.call
    asked = ("Get label of interval", "Get start time of interval", "Get end time of interval")
    return [tuple(call(grid, a, tier, i + 1) for a in asked) for i in range(call(grid, "Get number of intervals", tier))]


def test_points_are_passed_over_and_no_intervals_is_an_empty_list(tmp_path: Path) -> None:
    head, words = SHORT.split('"IntervalTier"')[0], SHORT[SHORT.index('"IntervalTier"') :]
    path = tmp_path / "a.TextGrid"
    points = '"TextTier"\n"events"\n0\n1.5\n1\n0.5\n"click 3 times"\n'
    path.write_text(head.replace("\n2\n", "\n4\n") + points + words + '"IntervalTier"\n"empty"\n0\n1.5\n0\n')
    assert len(read_textgrid(path)) == 4
    assert read_textgrid(path, "empty") == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    with pytest.raises(ValueError, match="no TextGrid .*aligner"):
        read_textgrid(path)
    path.write_text("hello")
    with pytest.raises(ValueError, match="a.TextGrid is not a TextGrid"):
        read_textgrid(path)
    write_textgrid(path, {"words": [("a", 0.0, 1.0)]})
    with pytest.raises(ValueError, match="no interval tier 'phones'; it has .'words'"):
        read_textgrid(path)


def test_srt(tmp_path: Path) -> None:
    words = [("", 0.0, 0.5), ("Hello", 0.5, 1.25), ("you", 3661.0, 3661.5)]
    text = write_srt(tmp_path / "a.srt", words).read_text(encoding="utf-8")
    assert text == "1\n00:00:00,500 --> 00:00:01,250\nHello\n\n2\n01:01:01,000 --> 01:01:01,500\nyou\n"
