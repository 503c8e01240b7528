"""What is special of each singing corpus: splits by song, languages, sections, spellings. All trees are read in test_preprocessors."""

import csv

import pytest

from preprocessors import csd, custom, gtsinger, m4singer, opencpop, pjs, popbutfy, svcc, vocalset
from preprocessors.base import corpus, prepare, read_manifest, split_of
from tests import trees
from tests.conftest import SHARED
from utils.audio import Audio

BY_SONG = ("m4singer", "opensinger", "kising", "nus48e", "popbutfy", "popcs", "gtsinger", "csd", "opencpop")


def found(name, root):
    trees.SUNG[name](root)
    return {utterance.id: utterance for utterance in corpus(name).utterances(root)}


@pytest.mark.parametrize("name", BY_SONG)
def test_a_song_is_in_one_split_whoever_sings_it(name, tmp_path, monkeypatch):
    """Its split is drawn for the name of the song alone."""
    module = corpus(name)
    rows = found(name, tmp_path)
    drawn = set()
    monkeypatch.setattr(module, "split_of", lambda song: drawn.add(song) or split_of(song))
    splits = {identity: module.split(utterance) for identity, utterance in rows.items()}
    songs = {
        "m4singer": {"美错", "Let it go"}, "opensinger": {"光年_之外", "Hello"}, "kising": {"421", "422", "423"}, "nus48e": {"01", "05"},
        "popbutfy": {"Hello", "Words"}, "popcs": {"隐形的翅膀", "听"}, "gtsinger": {"a song"}, "csd": {"en001", "en002"},
        "opencpop": {"2001", "2009"},
    }  # fmt: skip
    assert drawn == songs[name]
    assert set(splits.values()) <= {"train", "valid", "test"}


def test_languages(tmp_path):
    for name, expected in {"m4singer": {"cmn"}, "gtsinger": {"en-us", "cmn"}, "popbutfy": {"en-us", "cmn"}, "pjs": {"ja"}}.items():
        rows = found(name, tmp_path / name)
        assert {utterance.language for utterance in rows.values()} == expected
    assert popbutfy._language("感受") == "cmn"


def test_the_published_test_parts_are_kept(tmp_path):
    rows = found("opencpop", tmp_path / "opencpop")
    assert {name for name, row in rows.items() if opencpop.split(row) == "test"} == {"2009000001", "2009000002"}
    rows = found("svcc", tmp_path / "svcc")
    tested = {name for name, row in rows.items() if svcc.split(row) == "test" and row.id.startswith(("evaluation", "ground"))}
    assert tested == {"evaluation_SM1_30001", "ground_truth_IDF1_30001"}
    rows = found("pjs", tmp_path / "pjs")
    assert {name for name, row in rows.items() if pjs.split(row) == "test"} == {"pjs001_song", "pjs001_speech"}


def test_opencpop_without_its_division_draws_songs_and_names_known_faults(tmp_path):
    trees.opencpop(tmp_path)
    (tmp_path / "segments/test.txt").unlink()
    trees.sound(tmp_path / "segments/wavs/2048001806.wav")
    rows = list(opencpop.utterances(tmp_path / "segments"))
    assert {opencpop.split(row) for row in rows} == {split_of("2001"), split_of("2009")}
    assert opencpop.doubts(tmp_path) == [("2048001806", opencpop.SILENT)]


def test_csd_cuts_songs_into_the_lines_of_their_lyric(tmp_path):
    rows = found("csd", tmp_path)
    first, second = rows["en001a_0000"], rows["en001a_0001"]
    assert (first.start, first.seconds, first.text) == (0.0, pytest.approx(0.4), "Twinkle")
    assert (second.start, second.seconds, second.text) == (0.5, pytest.approx(0.4), "star")
    whole = Audio.read(first.audio).samples
    assert (second.read().samples == whole[8000:14400]).all()
    assert rows["en002a"].start is None
    ((name, reason),) = csd.doubts(tmp_path)
    assert name == "en002a" and "3 notes, 2 syllables in 2 lines, 2 lines of words" in reason


def test_csd_says_which_file_a_song_lacks(tmp_path):
    trees.csd(tmp_path)
    (tmp_path / "CSD/english/lyric/en001b.txt").unlink()
    reasons = dict(csd.doubts(tmp_path))
    assert "lyric/en001b.txt" in reasons["en001b"]
    assert "en001b" in {row.id for row in csd.utterances(tmp_path)}


def test_m4singer_reads_both_spellings_of_a_folder(tmp_path):
    rows = found("m4singer", tmp_path)
    assert "#U7f8e" in rows["Bass-1_美错_0001"].audio
    assert m4singer.split(rows["Bass-1_美错_0001"]) == m4singer.split(rows["Alto-1_美错_0000"])


def test_m4singer_without_its_list_says_what_it_lacks(tmp_path):
    with pytest.raises(ValueError, match="holds no meta.json"):
        list(m4singer.utterances(tmp_path))


def test_vocalset_reads_one_of_its_copies(tmp_path):
    rows = found("vocalset", tmp_path)
    assert all("data_by_singer" in row.audio for row in rows.values())
    trees.sound(tmp_path / "more/FULL/female1/scales/belt/f1_scales_belt_a.wav")
    assert "female1_scales_belt_f1_scales_belt_a" in {row.id for row in vocalset.utterances(tmp_path / "more")}


def test_custom_serves_songs_in_folders_of_singers_without_texts(tmp_path):
    for name in ("ann/first song/0", "ann/first song/1", "bob/second/live/0"):
        trees.sound(tmp_path / f"raw/{name}.wav")
    report = prepare("custom", tmp_path / "raw", tmp_path / "data", jobs=1)
    rows = [row for split in report.counts for row in read_manifest(tmp_path / f"data/custom/{split}.jsonl")]
    expected = {"ann_first_song_0": "ann", "ann_first_song_1": "ann", "bob_second_live_0": "bob"}
    assert {row.id: row.speaker for row in rows} == expected and not report.skipped and not report.warnings


REAL = SHARED / "data/singing"
GROUPS = {"control": "Control_Group", "speech": "Paired_Speech_Group"}
FOLDERS = {"en": "English", "fr": "French", "zh": "Chinese"}


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/singing is absent")
def test_real_gtsinger(tmp_path):
    """Real recordings, linked from where GTSinger has them."""
    with open(REAL / "gtsinger/metadata.csv", encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    for row in listed:
        group = GROUPS.get(row["style"], f"{row['style'].capitalize()}_Group")
        song, _, _ = row["path"].rpartition("-" if "-" in row["path"] else "_")
        path = tmp_path / FOLDERS[row["lang"]] / row["singer"] / "Breathy" / song / group / "0000.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(REAL / "gtsinger" / row["path"])
    report = prepare("gtsinger", tmp_path, tmp_path / "data", jobs=2)
    rows = [row for split in report.counts for row in read_manifest(tmp_path / f"data/gtsinger/{split}.jsonl")]
    assert len(rows) == len(listed) and not report.skipped
    assert {row.speaker for row in rows} == {row["singer"] for row in listed}
    assert 400 < sum(row.seconds for row in rows) < 700
    assert len(gtsinger.mute(tmp_path)) == len(rows)  # no words lie beside these


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/singing is absent")
def test_real_songs_as_a_corpus_of_ones_own():
    rows = list(custom.utterances(REAL / "nit_song070"))
    assert len(rows) == 2
    assert all(row.read().seconds > 1 for row in rows)
