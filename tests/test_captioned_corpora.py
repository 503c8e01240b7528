"""What is special of each corpus of captioned sounds. All trees are read in test_preprocessors."""

import json

import numpy as np
import pytest

from preprocessors import audiocaps, custom, demo_events, esc50, fsd50k, musiccaps, picoaudio, wavcaps
from preprocessors.augmentation import changed_copy
from preprocessors.base import SPLITS, Utterance, prepare, read_manifest
from preprocessors.captioned import ABSENT, EMPTY, table
from processors.extraction import Options, extract_batched
from processors.features import FEATURES, FeatureSet
from processors.speaker import SpeakerVector
from tests import trees
from utils.events import parse


def manifest(folder, name):
    return {u.id: u for split in SPLITS for u in read_manifest(folder / f"data/{name}/{split}.jsonl")}


@pytest.mark.parametrize(
    ("name", "is_known"),
    [
        ("4bUL_ttiOdw_30000_40000", True), ("Y4bUL_ttiOdw_30000_40000", True), ("4bUL_ttiOdw_30_40", True), ("4bUL_ttiOdw_30", True),
        ("Y4bUL_ttiOdw", True), ("4bUL_ttiOdw", True), ("103", True), ("4bUL_ttiOdw_40", False), ("X4bUL_ttiOdw", False),
    ],
)  # fmt: skip
def test_audiocaps_knows_a_clip_by_any_of_its_names(name, is_known, tmp_path):
    trees.write(tmp_path / "train.csv", "audiocap_id,youtube_id,start_time,caption\n103,4bUL_ttiOdw,30,Rain\n")
    trees.sound(tmp_path / f"wavs/{name}.wav")
    assert [u.id for u in audiocaps.utterances(tmp_path)] == ["train_Y4bUL_ttiOdw_30"] * is_known


def test_audiocaps_reads_the_version_that_is_asked_for(tmp_path):
    trees.audiocaps(tmp_path)
    trees.write(tmp_path / "dataset2.0/val.csv", "audiocap_id,youtube_id,start_time,caption\n1,BBBBBBBBBBB,20,Two point nought\n")
    assert [(u.id, u.text) for u in audiocaps.utterances(tmp_path, version="2.0")] == [("valid_YBBBBBBBBBBB_20", "Two point nought")]
    assert len(list(audiocaps.utterances(tmp_path))) == 7
    with pytest.raises(ValueError, match=r"has no dataset/train.csv nor dataset2.0/train.csv"):
        list(audiocaps.utterances(tmp_path / "sounds"))


def test_missing_videos_are_counted_and_what_a_spreadsheet_lost_is_named(tmp_path):
    trees.audiocaps(tmp_path / "raw")
    report = prepare("audiocaps", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    assert ("train_YAAAAAAAAAA__5", ABSENT) in report.skipped
    assert any("'#NAME?'" in reason and "spreadsheet" in reason for name, reason in report.skipped if name == "107")
    assert report.counts == {"train": 3, "valid": 0, "test": 4}


class Counted(SpeakerVector):
    """Says how many sounds it was given."""

    sounds = []

    def compute(self, utterances, audios, device):
        self.sounds += [len(audio.samples) for audio in audios]
        return [np.ones(256) for _ in audios]


def test_captions_of_one_sound_share_its_arrays_and_stay_in_one_split(tmp_path, monkeypatch):
    trees.audiocaps(tmp_path / "raw")
    prepare("audiocaps", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    clip = [u for u in manifest(tmp_path, "audiocaps").values() if u.recording]
    assert {u.recording for u in clip} == {"test_YBBBBBBBBBBB_20"}
    features = FeatureSet({"mel": {}, "f0": {}}, sample_rate=16000, hop_size=160, store=tmp_path / "store")
    assert len({features.path("f0", u) for u in clip}) == 1
    assert not any(features.extract(u, ["f0"]) for u in clip)
    assert len(list((tmp_path / "store").rglob("*.npy"))) == 1
    monkeypatch.setitem(FEATURES, "speaker_vector", "tests.test_captioned_corpora:Counted")
    monkeypatch.setattr("processors.extraction.Post", Here)
    monkeypatch.setattr("processors.extraction.share_among", lambda posts, planned, *rest, **others: posts[0].all(planned))
    features = FeatureSet({"speaker_vector": {}}, sample_rate=16000, hop_size=160, store=tmp_path / "store")
    assert extract_batched(features, clip, Options(jobs=1)) == {}
    assert len(Here.given) == 1
    assert features.tidy(clip) == 0


class Here:
    """Takes note of what the process of a device would have been given."""

    given = []

    def __init__(self, *arguments):
        pass

    def all(self, planned):
        for batch in planned:
            self.given.extend(batch)
            yield len(batch), {}


def test_wavcaps_leaves_out_what_is_long_and_what_a_list_excludes(tmp_path):
    trees.wavcaps(tmp_path)
    assert {u.id for u in wavcaps.utterances(tmp_path, longest=1e5)} >= {"FreeSound_65"}
    assert {u.id for u in wavcaps.utterances(tmp_path, exclude="all_ac")} == {"SoundBible_64"}
    with pytest.raises(ValueError, match=r"wavcaps.exclude: .*blacklist_exclude_none.json. Choices: all_ac"):
        list(wavcaps.utterances(tmp_path, exclude="none"))


def test_captions_are_what_the_settings_say(tmp_path):
    trees.fsd50k(tmp_path / "fsd50k")
    assert [u.text for u in fsd50k.utterances(tmp_path / "fsd50k", caption="description")] == ["A solo. Mine.", "rain", "bark"]
    trees.musiccaps(tmp_path / "musiccaps")
    assert [u.text for u in musiccaps.utterances(tmp_path / "musiccaps", caption="aspect_list")] == ["slow, bass", "loud"]


def test_picoaudio_and_custom_know_their_events(tmp_path):
    trees.picoaudio(tmp_path / "pico")
    first = next(picoaudio.utterances(tmp_path / "pico"))
    assert first.events == "cat_meowing__0.0-0.1_0.15-0.2--whistling__0.1-0.25"
    trees.sound(tmp_path / "own/a.wav")
    trees.write(tmp_path / "own/a.txt", "A dog barks.\n")
    trees.write(tmp_path / "own/a.events", "dog_bark__0.1-0.2\n")
    (own,) = custom.utterances(tmp_path / "own")
    assert (own.text, own.events) == ("A dog barks.", "dog_bark__0.1-0.2")


def test_a_table_without_its_column_is_named(tmp_path):
    trees.write(tmp_path / "a.csv", "file_name,text\nx,y\n")
    with pytest.raises(ValueError, match=r"a.csv has no column caption_1; its first line is 'file_name,text'"):
        list(table(tmp_path / "a.csv", ("file_name", "caption_1")))


def test_a_quote_that_is_not_closed_is_named_by_its_line(tmp_path):
    path = tmp_path / "a.csv"
    trees.write(path, 'file,text\n1,whole\n2,"a dog\n3,a cat\n')
    with pytest.raises(ValueError, match=r"a.csv:3: the row that begins here is not whole .* is a quote not closed"):
        list(table(path, ("file", "text")))
    swallowed = "3,a cat\n" * 20000
    trees.write(path, f'file,text\n1,"whole,\n""too"""\n2,"a dog\n{swallowed}')
    with pytest.raises(ValueError, match=r"a.csv:4: .*is a quote not closed"):
        list(table(path, ("file", "text")))


def test_esc10_is_read_in_any_case_and_from_its_own_list(tmp_path):
    trees.esc50(tmp_path)
    path = tmp_path / "meta/esc50.csv"
    trees.write(path, path.read_text().replace("True", "TRUE"))
    assert {u.recording for u in esc50.utterances(tmp_path, esc10=True)} == {"1-100032-A-0", "1-7-A-10"}
    assert {name for name, _ in esc50.orphans(tmp_path, esc10=True)} == {"2-8-A-1", "esc50.csv:7", "3-1-A-0"}
    trees.write(path, "filename,category\n1-7-A-10.wav,rain\n")
    with pytest.raises(ValueError, match=r"esc50.csv has no column esc10"):
        list(esc50.utterances(tmp_path, esc10=True))
    path.rename(tmp_path / "esc10.csv")
    assert {u.recording for u in esc50.utterances(tmp_path, esc10=True)} == {"1-7-A-10"}


def test_a_start_of_thousands_of_digits_is_one_bad_row(tmp_path):
    starts = enumerate(("9" * 5000, "30", "\u0663"), 1)
    rows = [f"{number},4bUL_ttiOdw,{start},Rain" for number, start in starts]
    trees.write(tmp_path / "train.csv", "\n".join(["audiocap_id,youtube_id,start_time,caption", *rows]))
    trees.sound(tmp_path / "4bUL_ttiOdw.wav")
    assert [u.id for u in audiocaps.utterances(tmp_path)] == ["train_Y4bUL_ttiOdw_30"]
    strays = dict(audiocaps.orphans(tmp_path))
    assert strays.keys() == {"1", "3"} and len(strays["1"]) < 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"onoffCaption": "cat at 0.1.1-2"}, "is not like"), ({"onoffCaption": "cat at 0.1-..2"}, "is not like"),
        ({"onoffCaption": "cat at 0.1-200.0"}, "an event until 200 s, and the clip ends at 0.30 s"),
        ({"onoffCaption": "cat at 0.2-0.1"}, "does not end after it starts"),
        ({"filepath": "../outside.wav"}, "leads out of the corpus"), ({"filepath": "..\\outside.wav"}, "leads out of the corpus"),
        ({"filepath": "C:\\outside.wav"}, "leads out of the corpus"), ({"filepath": "ABSOLUTE"}, "leads out of the corpus"),
    ],
)  # fmt: skip
def test_picoaudio_says_what_is_wrong_with_a_clip(changes, reason, tmp_path):
    trees.sound(tmp_path / "outside.wav")
    trees.sound(tmp_path / "raw/inside.wav")
    item = {"filepath": "inside.wav", "onoffCaption": "cat at 0.1-0.2", "frequencyCaption": "cat one times"}
    trees.write(tmp_path / "raw/train.json", json.dumps(item))
    assert len(list(picoaudio.utterances(tmp_path / "raw"))) == 2
    given = {name: str(tmp_path / "outside.wav") if value == "ABSOLUTE" else value for name, value in changes.items()}
    trees.write(tmp_path / "raw/train.json", json.dumps(item | given))
    assert list(picoaudio.utterances(tmp_path / "raw")) == []
    assert reason in picoaudio.orphans(tmp_path / "raw")[0][1]


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "identity"),
    [
        ("audiocaps", "dataset/train.csv", '"A dog barks"', '" "', "train_Y-0Gj8-vB1q4_0"),
        ("musiccaps", "musiccaps-public.csv", "Drums.", "", "valid_Y0H0cbR31I4s_0"),
        ("fsd50k", "FSD50K.ground_truth/eval.csv", "Bark", "", "test_4"),
        ("wavcaps", "json_files/FreeSound/fsd_final.json", '"Keys jingle."', "null", "FreeSound_64"),
    ],
)  # fmt: skip
def test_an_empty_caption_is_said_to_be_empty(name, file, old, new, identity, tmp_path):
    trees.CAPTIONED[name](tmp_path / "raw")
    path = tmp_path / "raw" / file
    text = path.read_text()
    assert old in text
    trees.write(path, text.replace(old, new))
    report = prepare(name, tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    assert (identity, EMPTY) in report.skipped


def test_what_is_null_in_a_list_is_of_one_clip_alone(tmp_path):
    trees.fsd50k(tmp_path / "fsd50k")
    trees.write(tmp_path / "fsd50k/FSD50K.metadata/dev_clips_info_FSD50K.json", '{"1": {"title": null}, "2": {"title": "drops"}}')
    assert [u.text for u in fsd50k.utterances(tmp_path / "fsd50k", caption="title")] == ["electric guitar, guitar, music", "drops", "bark"]
    trees.wavcaps(tmp_path / "wavcaps")
    path = tmp_path / "wavcaps/json_files/FreeSound/fsd_final.json"
    trees.write(path, path.read_text().replace("2.5", "null"))
    assert "FreeSound_64" in {u.id for u in wavcaps.utterances(tmp_path / "wavcaps")}
    assert "FreeSound_64" not in dict(wavcaps.orphans(tmp_path / "wavcaps"))


@pytest.mark.parametrize("odd", [5, None, "x", [], {}, {"id": [1], "filepath": 5}])
@pytest.mark.parametrize("name, file", [("wavcaps", "json_files/SoundBible/sb_final.json"), ("picoaudio", "meta_data/test-onoff.json")])
def test_an_item_that_is_none_is_left_out_and_named(name, file, odd, tmp_path):
    good, _ = trees.CAPTIONED[name](tmp_path / "raw")
    path = tmp_path / "raw" / file
    listed = json.loads(path.read_text())
    (listed["data"] if name == "wavcaps" else listed).append(odd)
    path.write_text(json.dumps(listed))
    report = prepare(name, tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    assert manifest(tmp_path, name).keys() == good.keys()
    assert any(place == f"{path.name}:2" and "is not what it should be" in why for place, why in report.skipped)


def test_what_fsd50k_says_of_one_clip_may_be_no_description(tmp_path):
    trees.fsd50k(tmp_path)
    path = tmp_path / "FSD50K.metadata/dev_clips_info_FSD50K.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"2": 5}))
    said = {u.id: u.text for u in fsd50k.utterances(tmp_path, caption="title")}
    assert said["train_1"] == "solo.wav" and said["valid_2"] == "rain"


def test_fsd50k_without_a_list_says_what_it_lacks(tmp_path):
    with pytest.raises(ValueError, match=r"fsd50k: .*FSD50K.ground_truth holds no dev.csv nor eval.csv"):
        list(fsd50k.utterances(tmp_path))


def test_custom_joins_the_lines_of_a_caption_and_names_events_that_it_leaves(tmp_path):
    trees.sound(tmp_path / "raw/a.wav")
    trees.write(tmp_path / "raw/a.txt", "A dog barks\nin the rain.\n")
    (tmp_path / "raw/a.events").write_bytes(b"dog_bark__\xff")
    trees.write(tmp_path / "raw/b.events", "rain__0.0-0.1\n")
    report = prepare("custom", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    (row,) = manifest(tmp_path, "custom").values()
    assert (row.text, row.events) == ("A dog barks in the rain.", "")
    assert [name for name, _ in report.skipped] == ["b"] and "b.events has no recording" in report.skipped[0][1]
    assert any(name == "a" and "without its events: a.events cannot be read" in reason for name, reason in report.warnings)


@pytest.mark.parametrize(
    ("line", "why"), [("dog_bark", "'dog_bark' names no class with its times"), ("rain__2.0-1.0", "rain at 2-1 s does not end after it starts")]
)
def test_custom_names_a_line_of_events_that_is_none(tmp_path, line, why):
    trees.sound(tmp_path / "raw/a.wav")
    trees.write(tmp_path / "raw/a.txt", "A dog barks.\n")
    trees.write(tmp_path / "raw/a.events", line)
    report = prepare("custom", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    (row,) = manifest(tmp_path, "custom").values()
    assert (row.text, row.events) == ("A dog barks.", "")
    assert any(name == "a" and "a.events cannot be read" in reason and why in reason for name, reason in report.warnings)


def test_demo_events_are_where_they_are_said_to_be(tmp_path):
    demo_events.make(tmp_path, clips=20)
    clips = list(demo_events.utterances(tmp_path))
    assert {demo_events.split(clip) for clip in clips} == set(SPLITS)
    for clip in clips:
        sound = clip.read()
        events = parse(clip.events)
        silent = np.ones(len(sound.samples), dtype=bool)
        for _, start, end in events:
            place = slice(round(start * sound.rate), round(end * sound.rate))
            silent[place] = False
            assert np.abs(sound.samples[place]).max() > 0.05
        assert np.abs(sound.samples[silent]).max() < 0.01
    assert demo_events.sentence(parse("dog_bark__1.0-1.5_2.0-2.4--rain__0.0-3.0")) == "A dog barks twice while rain falls"


def test_events_of_a_faster_copy_are_earlier(tmp_path):
    demo_events.make(tmp_path, clips=1)
    (clip,) = demo_events.utterances(tmp_path)
    clip = Utterance(**{**vars(clip), "events": "rain__1.0-2.0"})
    copy, reason, _ = changed_copy((clip, "tempo 2.0"), home=tmp_path / "copies")
    assert (copy.events, reason) == ("rain__0.5-1.0", "")
    assert changed_copy((clip, "pitch 2.00"), home=tmp_path / "copies")[0].events == clip.events


def test_esc50_words_what_is_kept_for_test_otherwise(tmp_path):
    trees.esc50(tmp_path)
    clips = list(esc50.utterances(tmp_path))
    assert {u.recording for u in esc50.utterances(tmp_path, esc10=True)} == {"1-100032-A-0", "1-7-A-10"}
    assert len(esc50.WORDINGS) == 50
    for wording in esc50.WORDINGS.values():
        assert len({*wording.captions, *wording.other_captions}) == 6
    tested = next(name for name in (f"1-{n}-A-0" for n in range(100)) if esc50._split(name) == "test")
    trees.write(tmp_path / "meta/esc50.csv", f"filename,category\n{tested}.wav,dog\n")
    trees.sound(tmp_path / f"audio/{tested}.wav")
    held_out = list(esc50.utterances(tmp_path))
    assert [u.text for u in held_out] == ["a dog can be heard barking", "a recording in which a dog barks"]
    assert {esc50.split(u) for u in held_out} == {"test"} and not {u.text for u in held_out} & {u.text for u in clips}
    assert esc50.class_of("Dog bark") == esc50.class_of("dog") == "dog"
