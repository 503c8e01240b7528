"""More histories of a corpus after which the store must be that of a fresh one, and sections of recordings."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from bins.extract import extract
from preprocessors.base import Utterance, prepare, read_manifest, write_manifest
from processors.g2p import read_lexicon
from tests.test_preprocessors import TREES
from tests.test_store import WORDS, arrays, edit, experiment, make, pitch, say, staged, tree
from utils.audio import Audio
from utils.textgrid import write_textgrid


def manifests(folder):
    return [folder / f"data/custom/{split}.jsonl" for split in ("train", "valid", "test")]


def test_statistics_belong_to_the_utterances_that_can_be_used(tmp_path):
    for name in ("fresh", "other"):
        make(tmp_path / name / "raw")
    expected = pitch(staged(tmp_path / "fresh"))
    folder = tmp_path / "other"
    prepare("custom", folder / "raw", folder / "data", needs_text=True, jobs=1)
    say(folder / "raw/wavs/u3.wav", WORDS[3], 55)  # refused at first: it is no longer what was prepared
    made = experiment(folder)
    assert list(extract(made, jobs=1)) == ["custom/u3"]
    made.features.measure(["f0"], made.datasets, made.utterances("train"))
    say(folder / "raw/wavs/u3.wav", WORDS[3], 3)
    assert pitch(staged(folder)) == expected


def test_statistics_follow_the_division(tmp_path):
    make(tmp_path / "raw")
    before = pitch(staged(tmp_path))
    train, valid, _ = (read_manifest(path) for path in manifests(tmp_path))
    write_manifest(manifests(tmp_path)[0], train[:2])
    write_manifest(manifests(tmp_path)[1], [*train[2:], *valid])
    made = experiment(tmp_path)
    with pytest.raises(ValueError, match="statistics-f0.*is missing: run the extract stage again"):
        pitch(made)
    extract(made, jobs=1)
    made.features.measure(["f0"], made.datasets, made.utterances("train"))
    assert pitch(made) != before


def test_a_lexicon_with_other_phones_needs_no_hand_work(tmp_path):
    make(tmp_path / "raw")
    words = sorted({word for text in WORDS for word in text.split()})
    lexicon = {"phone": {"g2p": "lexicon", "lexicon": str(tmp_path / "words.txt")}}
    for case in (str.lower, str.upper):
        (tmp_path / "words.txt").write_text("".join(f"{word} {case(' '.join(word))}\n" for word in words))
        read_lexicon.cache_clear()  # another run of the program
        made = staged(tmp_path, **lexicon)
        assert arrays(made, "phone")["u0"][1:-1] == [case(c) for c in "moe_sa"]
        assert len(arrays(made, "duration")["u0"]) == 8 and case("m") in made.card["learned"]["phone"]["symbols"]
    shutil.move(tmp_path / "words.txt", tmp_path / "elsewhere.txt")
    moved = experiment(tmp_path, phone={"g2p": "lexicon", "lexicon": str(tmp_path / "elsewhere.txt")})
    assert moved.card["learned"] == made.card["learned"]  # it says the same


def test_ids_may_have_folders_of_their_own(tmp_path):
    make(tmp_path / "raw")
    staged(tmp_path)
    for path in manifests(tmp_path):
        path.write_text(path.read_text().replace('"id": "u', '"id": "a/b/u'))
    made = experiment(tmp_path)
    assert extract(made, jobs=1) == {} and extract(experiment(tmp_path), jobs=1) == {}
    for path in manifests(tmp_path):
        path.write_text(path.read_text().replace('"id": "a/b/u', '"id": "custom/b/u'))
    assert extract(experiment(tmp_path), jobs=1) == {}
    kept = sorted(path.parent.name for path in (tmp_path / "data").rglob("*.npy"))
    assert kept == ["b"] * 3 * len(WORDS)  # phone, duration and F0; those of before are gone


def test_a_text_that_sounds_as_before_names_the_words_anew(tmp_path):
    make(tmp_path / "raw")
    staged(tmp_path)
    edit(tmp_path / "raw", WORDS[0], "Moe SA")
    made = staged(tmp_path)
    folder = made.features.folder("duration")
    assert "Moe" in (folder / "srt/custom/u0.srt").read_text() and '"SA"' in (folder / "TextGrid/custom/u0.TextGrid").read_text()


def test_each_file_of_the_store_that_is_lost_is_made_again(tmp_path):
    make(tmp_path / "raw")
    staged(tmp_path)
    before = tree(tmp_path)
    some = [name for name in before if "u0" in name or "custom/" not in name]
    assert len(some) > 10
    for name in some:
        (tmp_path / "data" / name).unlink()
        staged(tmp_path)
        assert tree(tmp_path) == before, name


def test_durations_go_with_an_aligner_that_was_lost(tmp_path):
    make(tmp_path / "raw")
    folder = staged(tmp_path).features.folder("duration")
    (aligner,) = folder.glob("*.safetensors")
    aligner.unlink()
    edit(tmp_path / "raw", WORDS[1], "sanom e")
    learned = staged(tmp_path).card["learned"]["duration"]["aligner"]
    assert {path.stem for path in folder.glob("aligner-*")} == {learned.removesuffix(".safetensors")}


def test_a_part_that_is_a_link_to_another_is_taken_once(tmp_path):
    TREES["libritts"](tmp_path / "raw")
    (tmp_path / "raw/train-mine").symlink_to(tmp_path / "raw/train-clean-100")
    report = prepare("libritts", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    assert report.counts["train"] == 1 and ("103_1_000000_000000", "it is listed 2 times, alike: it is taken once") in report.warnings


def test_an_alignment_goes_when_a_textgrid_takes_its_place(tmp_path):
    make(tmp_path / "raw")
    folder = staged(tmp_path).features.folder("duration")
    assert list(folder.rglob("u0.*"))
    times = [("", 0.0, 0.1), *((c, 0.1 + 0.12 * i, 0.22 + 0.12 * i) for i, c in enumerate("moesa")), ("", 0.7, 0.9)]
    write_textgrid(tmp_path / "raw/TextGrid/u0.TextGrid", {"phones": times})
    made = staged(tmp_path)
    assert [path.suffix for path in folder.rglob("u0.*")] == [".npy"] and "custom/u0" not in made.features.refused(made.corpus)


def test_what_changed_under_the_hand_is_not_kept_under_the_name_of_before(tmp_path):
    make(tmp_path / "raw")
    made = staged(tmp_path)
    utterance = next(u for u in made.everything() if u.id == "u0")
    before = made.features.path("f0", utterance).read_bytes()
    say(utterance.audio, "moe sa moe sa moe sa", 3)
    with pytest.raises(ValueError, match="custom/u0: its sound changed since"):
        made.features(utterance, ["f0", "mel"])
    assert made.features.path("f0", utterance).read_bytes() == before


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_sections_of_a_recording(tmp_path, suffix):
    rng = np.random.default_rng(0)
    path = Audio(0.1 * rng.standard_normal(48000), 16000).write(tmp_path / f"long{suffix}")
    whole = Audio.read(path).samples
    rows = [Utterance(f"s{i}", audio=str(path), start=float(i), seconds=1.0) for i in range(3)]
    rows += [Utterance("all", audio=str(path), seconds=1.5), Utterance("rest", audio=str(path), start=2.0), Utterance("new", audio=str(path))]
    found = {u.id: u.read().samples for u in read_manifest(write_manifest(tmp_path / "rows.jsonl", rows))}
    for i in range(3):
        np.testing.assert_array_equal(found[f"s{i}"], whole[16000 * i : 16000 * (i + 1)])
    np.testing.assert_array_equal(found["all"], whole)  # as every manifest says of files that are utterances
    np.testing.assert_array_equal(found["rest"], whole[32000:])
    np.testing.assert_array_equal(found["new"], whole)


def test_a_manifest_of_before_reads_as_it_did(tmp_path):
    path = Audio(0.1 * np.ones(32000), 16000).write(tmp_path / "a.wav")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(f'{{"id": "a", "audio": "{path}", "seconds": 2.0}}\n{{"id": "b", "audio": "{path}", "start": 0, "seconds": 0.5}}\n')
    lengths = [u.read().seconds for u in read_manifest(rows)]
    assert lengths == [2.0, 0.5] and Path(path).is_file()
