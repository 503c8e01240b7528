"""Long recordings become sections of a few seconds: where they are cut, that nothing is lost or copied, and what their names are."""

import json

import numpy as np
import pytest

from preprocessors.base import Utterance, changed, inspect, prepare, read_manifest
from tests.conftest import RATE, clip, toy_config
from utils.audio import Audio
from utils.slicing import Slicing, sections

SMALL = Slicing(longest=2.0, shortest=0.3, pause=0.2, edge=0.05)


def take(*parts):
    """A recording of tones and silences: seconds with sound, and as negative numbers without."""
    pieces = [clip(part, 200, 1) if part > 0 else 1e-4 * clip(-part, 90, 2) for part in parts]
    return Audio(np.concatenate(pieces), RATE)


def test_sections_begin_and_end_in_silence_with_an_edge_around():
    found = sections(take(1.0, -0.5, 1.5, -0.4, 0.8, -0.3, 0.7), SMALL)
    places = [(start, start + seconds) for start, seconds in found]
    expected = [(0, 1.05), (1.45, 3.05), (3.35, 5.25)]  # the last two are one: together they are not too long
    assert np.array(places) == pytest.approx(np.array(expected), abs=0.06)
    assert all(seconds <= SMALL.longest for _, seconds in found)


def test_all_that_sounds_is_in_a_section_and_in_one_only():
    rng = np.random.default_rng(3)
    parts = [length * sign for length in rng.uniform(0.1, 3.0, 12) for sign in (1, -0.3)]
    audio = take(*parts)
    covered = np.zeros(len(audio.samples), int)
    for start, seconds in sections(audio, SMALL):
        assert seconds <= SMALL.longest + 1e-6
        covered[round(start * RATE) : round((start + seconds) * RATE)] += 1
    assert covered.max() == 1
    at = 0
    for part in parts:
        length = round(abs(part) * RATE)
        if part > 0:
            assert covered[at : at + length].mean() > 0.98
        at += length


def test_a_phrase_without_a_pause_is_cut_where_it_is_quietest():
    samples = clip(3.5, 200, 1)
    dips = [round(second * RATE) for second in (1.4, 2.6)]
    for dip in dips:
        samples[dip - 400 : dip + 400] *= 0.1
    found = sections(Audio(samples, RATE), SMALL)
    assert [start * RATE for start, _ in found[1:]] == pytest.approx(dips, abs=400)
    assert len(found) == 3 and sum(seconds for _, seconds in found) == pytest.approx(3.5, abs=0.05)


def test_a_long_silence_parts_sections_and_is_in_none():
    found = sections(take(0.3, -1.2, 0.3, -1.2, 0.3), SMALL)  # two of them would fit in one
    assert len(found) == 3
    assert sum(seconds for _, seconds in found) < 1.4


def test_what_is_short_stays_whole():
    assert sections(take(0.5, -1.0, 0.4), SMALL) == [(0.0, 1.9)]


@pytest.mark.parametrize("wrong", [{"longest": 0}, {"longest": 0.01}, {"edge": 3}, {"shortest": 9}, {"pause": -1}])
def test_a_setting_that_cannot_be_is_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"preprocess.slice.{name} is"):
        Slicing(**wrong)


@pytest.fixture
def song(tmp_path):
    """A corpus of a long song and a short one."""
    take(1.0, -0.5, 1.5, -2.0, 0.1, -2.0, 1.5).write(tmp_path / "raw/ann/song.flac")
    take(1.0).write(tmp_path / "raw/ann/short.wav")
    (tmp_path / "raw/ann/song.txt").write_text("la la la")
    (tmp_path / "raw/ann/short.txt").write_text("la")
    return tmp_path


def prepared(folder, **how):
    report = prepare("custom", folder / "raw", folder / "data", jobs=1, **how)
    splits = {split: read_manifest(folder / f"data/custom/{split}.jsonl") for split in report.counts}
    return report, splits, {row.id: row for rows in splits.values() for row in rows}


def test_sections_are_utterances_that_point_into_their_recording(song):
    report, splits, rows = prepared(song, slicing=SMALL)
    assert set(rows) == {"ann_short", "ann_song_0000", "ann_song_0001", "ann_song_0003"}
    assert rows["ann_short"].start is None and rows["ann_short"].text == "la"
    whole = Audio.read(song / "raw/ann/song.flac").samples
    for name in ("ann_song_0000", "ann_song_0001", "ann_song_0003"):
        row = rows[name]
        first = round(row.start * RATE)
        samples = row.read().samples
        assert row.audio.endswith("song.flac") and row.speaker == "ann" and row.text == ""
        assert (samples == whole[first : first + len(samples)]).all()
        assert len(samples) == round(row.seconds * RATE)
        assert changed(row) == ""
    assert rows["ann_song_0000"].audio_digest != rows["ann_song_0001"].audio_digest
    ((name, reason),) = report.skipped
    assert name == "ann_song_0002" and "less than preprocess.slice.shortest" in reason
    assert sum(any("song_" in row.id for row in rows) for rows in splits.values()) == 1
    assert {path.name for path in (song / "raw").rglob("*.*")} == {"song.flac", "song.txt", "short.wav", "short.txt"}


def test_the_split_is_that_of_the_recording(song, monkeypatch):
    from preprocessors import custom

    asked = []
    monkeypatch.setattr(custom, "split", lambda utterance: asked.append(utterance.id) or "valid", raising=False)
    _, splits, _ = prepared(song, slicing=SMALL)
    assert set(asked) == {"ann_song", "ann_short"} and len(splits["valid"]) == 4


def test_a_section_within_a_section_is_counted_from_the_file(tmp_path, monkeypatch):
    from preprocessors import custom

    path = take(-1.0, 1.5, -0.5, 1.5, -1.0).write(tmp_path / "raw/a.wav")
    given = Utterance("a", speaker="ann", audio=str(path), start=1.0, seconds=3.5)
    monkeypatch.setattr(custom, "utterances", lambda root: iter([given]))
    monkeypatch.setattr(custom, "orphans", lambda root: [])
    _, _, rows = prepared(tmp_path, slicing=SMALL)
    assert rows["a_0000"].start == 1.0
    assert rows["a_0001"].start == pytest.approx(2.95, abs=0.04)


def test_a_section_that_has_the_name_of_a_recording_is_named(song):
    take(1.0).write(song / "raw/ann/song_0001.wav")
    report, _, rows = prepared(song, slicing=SMALL)
    assert "occurs twice, as a recording and as a section" in dict(report.skipped)["ann_song_0001"]
    assert "ann_song_0001" in rows


def test_texts_and_sections_do_not_go_together(song):
    with pytest.raises(ValueError, match="preprocess.slice: this model reads text"):
        prepared(song, slicing=SMALL, needs_text=True)


def test_the_stage_reads_the_section_and_the_features_of_sections_differ(song):
    """From the config to arrays: every section has its own, and the card says nothing of slicing."""
    from bins.extract import extract
    from bins.preprocess import main
    from models.base.experiment import Experiment

    path = toy_config(song, dataset_path={"custom": str(song / "raw")}, preprocess={"slice": {"longest": 2.0, "shortest": 0.2, "pause": 0.2}})
    assert main(["--config", str(path), "--jobs", "1"]) == 0
    experiment = Experiment.read(path)
    assert extract(experiment, jobs=1) == {}
    rows = {row.id: row for row in experiment.everything()}
    assert "ann_song_0001" in rows
    for row in rows.values():
        mel = experiment.features(row, ["mel"])["mel"]
        assert len(mel) == pytest.approx(row.seconds * RATE / 256, abs=1)
    assert "slice" not in experiment.card["preprocess"]
    assert json.loads(path.read_text())["preprocess"]["slice"]["longest"] == 2.0
    wrong = toy_config(song, preprocess={"slice": {"longst": 2.0}})
    with pytest.raises(ValueError, match=r"preprocess.slice.longst.*longest"):
        Experiment.read(wrong)


@pytest.mark.parametrize("seconds", [0.0, 0.6], ids=["without an end", "beyond the end of the file"])
def test_a_section_at_the_end_of_its_file_is_later_read_as_it_was_inspected(tmp_path, seconds):
    """Its length, rounded in the manifest, may leave off a sample; its digest is then of what is left."""
    rate = 48000
    tone = clip(3.1, 200, 1)
    for more in range(6):
        path = Audio(tone[: rate + more], rate).write(tmp_path / f"{more}.wav")
        section = Utterance("a", audio=str(path), start=0.5, seconds=seconds)
        inspected, reason, _ = inspect(section, needs_text=False)
        assert not reason and inspected.seconds == pytest.approx(0.5, abs=2e-4)
        assert not changed(inspected)
