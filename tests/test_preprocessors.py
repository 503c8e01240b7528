"""Every corpus module on a tree like the real one, bad recordings, and the demo corpus."""

import json
import re
from collections import defaultdict
from random import Random

import numpy as np
import pytest

from preprocessors import aishell3, custom, demo, demo_events, demo_songs
from preprocessors.base import corpora, corpus, prepare, read_manifest
from tests.conftest import SHARED, clip
from tests.test_vits_loading import hifitts
from tests.trees import CAPTIONED, RATE, READ, SUNG, sound, write
from utils.audio import Audio


def ljspeech(root):
    for i in (1, 2, 4):
        sound(root / f"wavs/LJ001-000{i}.wav")
    write(root / "metadata.csv", "LJ001-0001|5 dogs|five dogs\nLJ001-0002|hello\nLJ001-0003|no sound|no sound\n")
    write(root / "TextGrid/LJ001-0001.TextGrid", "")
    return {"LJ001-0001": ("ljspeech", "five dogs"), "LJ001-0002": ("ljspeech", "hello")}, {"LJ001-0003", "LJ001-0004"}


def vctk(root):
    for name in ("p225/p225_001", "p225/p225_002", "p226/p226_001"):
        for microphone in (1, 2):
            sound(root / f"wav48_silence_trimmed/{name}_mic{microphone}.flac")
    write(root / "txt/p225/p225_001.txt", "Please call Stella.\n")
    write(root / "txt/p226/p226_001.txt", "Please call Stella.\n")
    write(root / "txt/p226/p226_009.txt", "Nobody said this.\n")
    text = "Please call Stella."
    return {"p225_001": ("p225", text), "p226_001": ("p226", text)}, {"p225_002", "p226_009"}


def libritts(root):
    for part, speaker in (("train-clean-100", "103"), ("dev-clean", "84"), ("test-clean", "61")):
        sound(root / f"{part}/{speaker}/1/{speaker}_1_000000_000000.wav")
        write(root / f"{part}/{speaker}/1/{speaker}_1_000000_000000.normalized.txt", f"I am {speaker}.")
    sound(root / "train-clean-100/103/1/103_1_000001_000000.wav")
    write(root / "dev-clean/84/1/84_1_000002_000000.normalized.txt", "Nobody said this.")
    good = {f"{s}_1_000000_000000": (s, f"I am {s}.") for s in ("103", "84", "61")}
    return good, {"103_1_000001_000000", "84_1_000002_000000"}


def aishell3_tree(root):
    for part, name in (("train", "SSB00050001"), ("train", "SSB00050002"), ("test", "SSB00090001")):
        sound(root / f"{part}/wav/{name[:7]}/{name}.wav")
    write(root / "train/content.txt", "SSB00050001.wav\t广 guang3 州 zhou1\nSSB00050009.wav\t无 wu2\n")
    write(root / "test/content.txt", "SSB00090001.wav\t再 zai4 见 jian4\n")
    return {"SSB00050001": ("SSB0005", "广州"), "SSB00090001": ("SSB0009", "再见")}, {"SSB00050002", "SSB00050009"}


def custom_tree(root):
    sound(root / "anna/take 1.wav")
    write(root / "anna/take 1.txt", "hello\n")
    sound(root / "bob/b.flac")
    write(root / "bob/b.lab", "goodbye")
    write(root / "bob/c.txt", "nobody said this")
    return {"anna_take_1": ("anna", "hello"), "bob_b": ("bob", "goodbye")}, {"c"}


def demo_tree(root):
    demo.make(root, sentences=2, voices=demo.VOICES[:2])
    rows = [line.split("|") for line in (root / "metadata.csv").read_text().splitlines()]
    return {name: (speaker, text) for name, speaker, text in rows}, set()


def demo_songs_tree(root):
    demo_songs.make(root, songs=1)
    return {f"{singer}-00": (singer, demo_songs.LINES[0]) for singer in ("fay", "adam")}, set()


def demo_events_tree(root):
    demo_events.make(root, clips=3)
    rows = [line.split("|") for line in (root / "metadata.csv").read_text().splitlines()]
    return {name: ("", caption) for name, _, caption in rows}, set()


TREES = {"ljspeech": ljspeech, "vctk": vctk, "libritts": libritts, "hifitts": hifitts, "aishell3": aishell3_tree}
TREES |= {"custom": custom_tree, "demo": demo_tree, "demo_songs": demo_songs_tree, "demo_events": demo_events_tree, **READ, **SUNG, **CAPTIONED}


def test_every_corpus_has_a_tree():
    assert set(TREES) >= set(corpora()), "give the new corpus a small tree here"


@pytest.mark.parametrize("name", corpora())
def test_corpus(name, tmp_path):
    expected, strays = TREES[name](tmp_path / "raw")
    has_texts = any(text for _, text in expected.values())
    report = prepare(name, tmp_path / "raw", tmp_path / "data", needs_text=has_texts, jobs=1)
    splits = {split: read_manifest(tmp_path / f"data/{name}/{split}.jsonl") for split in ("train", "valid", "test")}
    assert report.counts == {split: len(utterances) for split, utterances in splits.items()}
    utterances = [*splits["train"], *splits["valid"], *splits["test"]]
    assert {utterance.id: (utterance.speaker, utterance.text) for utterance in utterances} == expected
    assert {identity for identity, _ in report.skipped} == strays
    for utterance in utterances:
        assert utterance.audio.startswith("/")
        assert utterance.seconds > 0.2
        assert "/" not in utterance.id
        assert utterance.dataset == name
    assert json.loads((tmp_path / f"data/{name}/report.json").read_text())["counts"] == report.counts


@pytest.mark.parametrize("name", corpora())
def test_a_corpus_shows_its_tree_and_says_its_licence(name):
    kinds = ("cc", "public domain", "apache", "odc", "research only", "academic use only", "non-commercial", "not told")
    assert "<root>" in corpus(name).__doc__
    assert any(kind in corpus(name).LICENCE.lower() for kind in kinds)


@pytest.mark.parametrize("name", [n for n in corpora() if not hasattr(corpus(n), "ensure")])
def test_a_folder_with_nothing_in_it_is_refused(name, tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(ValueError, match=name if name != "ljspeech" else "metadata.csv"):
        prepare(name, tmp_path / "raw", tmp_path / "data", jobs=1)
    with pytest.raises(ValueError, match=f"dataset_path.{name}: no folder"):
        prepare(name, tmp_path / "nowhere", tmp_path / "data", jobs=1)


def test_libritts_keeps_the_corpus_division(tmp_path):
    libritts(tmp_path / "raw")
    prepare("libritts", tmp_path / "raw", tmp_path / "data", jobs=1)
    speakers = {s: {u.speaker for u in read_manifest(tmp_path / f"data/libritts/{s}.jsonl")} for s in ("train", "valid", "test")}
    assert speakers == {"train": {"103"}, "valid": {"84"}, "test": {"61"}}


def test_aishell3_keeps_its_test_part_and_says_its_language(tmp_path):
    aishell3_tree(tmp_path)
    rows = {u.id: u for u in aishell3.utterances(tmp_path)}
    assert {u.language for u in rows.values()} == {"cmn"}
    assert aishell3.split(rows["SSB00090001"]) == "test" != aishell3.split(rows["SSB00050001"])


def test_textgrids_are_found(tmp_path):
    ljspeech(tmp_path)
    found = {u.id: u.textgrid for u in corpus("ljspeech").utterances(tmp_path)}
    assert found["LJ001-0001"].endswith("/TextGrid/LJ001-0001.TextGrid") and found["LJ001-0002"] == ""


@pytest.mark.parametrize(
    "place", ["TextGrid/s/a.TextGrid", "TextGrid/a.TextGrid", "wavs/s/a.TextGrid", "textgrid/other/a.textgrid", "mfa/s_a/a.TextGrid"]
)
@pytest.mark.parametrize("metadata", [True, False])
def test_textgrids_are_found_by_speaker_and_beside_the_recording(tmp_path, place, metadata):
    sound(tmp_path / "wavs/s/a.wav")
    sound(tmp_path / "wavs/s/b.wav")
    write(tmp_path / place, "")
    if metadata:
        write(tmp_path / "metadata.csv", "s/a|hello\ns/b|hello\n")
    found = {u.id: u.textgrid for u in custom.utterances(tmp_path)}
    assert found == {"s_a": str(tmp_path / place), "s_b": ""}


def test_a_textgrid_of_two_recordings_or_none_is_said_to_be_ignored(tmp_path):
    for name in ("ann/a", "bob/a", "bob/b"):
        sound(tmp_path / f"{name}.wav")
        write(tmp_path / f"{name}.txt", "hello")
    for name in ("a", "x", "bob/b"):
        write(tmp_path / f"TextGrid/{name}.TextGrid", "")
    found = {u.id: u.textgrid for u in custom.utterances(tmp_path)}
    assert found == {"ann_a": "", "bob_a": "", "bob_b": str(tmp_path / "TextGrid/bob/b.TextGrid")}
    ignored = dict(custom.orphans(tmp_path))
    assert set(ignored) == {"a", "x"} and "TextGrid/x.TextGrid is ignored" in ignored["x"]


def test_the_manifest_tells_a_replaced_sound_or_textgrid_and_older_ones_still_read(tmp_path):
    raw = tmp_path / "raw"
    manifest = tmp_path / "data/custom/train.jsonl"

    def prepared():
        prepare("custom", raw, tmp_path / "data", jobs=1)
        return {u.id: u for u in read_manifest(manifest)}

    sound(raw / "a.wav")
    sound(raw / "deep_b.wav")
    write(raw / "a.TextGrid", "first")
    first = prepared()
    assert first == prepared()
    assert first["a"].audio_digest != first["deep_b"].audio_digest and first["a"].textgrid_digest
    Audio(clip(0.3, 200, 5), RATE).write(raw / "a.wav")
    replaced = prepared()
    assert replaced["a"].audio_digest != first["a"].audio_digest and replaced["deep_b"] == first["deep_b"]
    write(raw / "a.TextGrid", "second")
    corrected = prepared()["a"]
    assert (corrected.audio_digest, corrected.textgrid) == (replaced["a"].audio_digest, replaced["a"].textgrid)
    assert corrected.textgrid_digest != replaced["a"].textgrid_digest
    manifest.write_text('{"id": "a", "dataset": "custom", "audio": "a.wav", "seconds": 1.0}\n')
    assert read_manifest(manifest)[0].audio_digest == ""


@pytest.mark.parametrize("line", ["a|hello", "a.wav|hello", "a|ann|hello"])
def test_custom_metadata(tmp_path, line):
    sound(tmp_path / "wavs/a.wav")
    sound(tmp_path / "wavs/b.wav")
    write(tmp_path / "metadata.csv", f"{line}\nmissing|words\n")
    (row,) = custom.utterances(tmp_path)
    assert (row.id, row.text) == ("a", "hello") and row.speaker == ("ann" if "ann" in line else tmp_path.name)
    assert {identity for identity, _ in custom.orphans(tmp_path)} == {"missing", "b"}


def test_custom_metadata_may_say_languages(tmp_path):
    for name in ("a", "b"):
        sound(tmp_path / f"{name}.wav")
    write(tmp_path / "metadata.csv", "a|ann|Guten Tag.|de\nb|bob|Hello.\n")
    assert [(u.speaker, u.text, u.language) for u in custom.utterances(tmp_path)] == [
        ("ann", "Guten Tag.", "de"),
        ("bob", "Hello.", "en-us"),
    ]


def test_equal_ids_are_left_out(tmp_path):
    sound(tmp_path / "two/s/a b.wav")
    sound(tmp_path / "two/s/a_b.wav")
    with pytest.raises(ValueError, match="'s_a_b' occurs twice"):
        prepare("custom", tmp_path / "two", tmp_path / "data", jobs=1)


def test_twice_in_the_metadata(tmp_path):
    sound(tmp_path / "wavs/a.wav")
    write(tmp_path / "metadata.csv", "a|hello\na|goodbye\n")
    with pytest.raises(ValueError, match="'a' occurs twice"):
        prepare("ljspeech", tmp_path, tmp_path / "data", jobs=1)


def test_short_line_is_named(tmp_path):
    sound(tmp_path / "wavs/a.wav")
    write(tmp_path / "metadata.csv", "a|hello\njust words\n")
    for name in ("ljspeech", "custom"):
        report = prepare(name, tmp_path, tmp_path / "data", jobs=1)
        assert report.counts["train"] + report.counts["valid"] + report.counts["test"] == 1
        ((where, reason),) = [row for row in report.skipped if row[0] == "metadata.csv:2"]
        assert "has 1 fields, 2 expected, separated by '|': 'just words'" in reason
    write(tmp_path / "metadata.csv", "a;hello\njust words\n")
    with pytest.raises(ValueError, match=r"metadata.csv:1 has 1 fields"):
        prepare("ljspeech", tmp_path, tmp_path / "data", jobs=1)


def test_a_second_corpus_does_not_take_the_place_of_the_first(tmp_path):
    for name in ("one", "two"):
        sound(tmp_path / name / "a.wav")
        write(tmp_path / name / "a.txt", "hello")
    prepare("custom", tmp_path / "one", tmp_path / "data", jobs=1)
    prepare("custom", tmp_path / "one", tmp_path / "data", jobs=1)
    with pytest.raises(ValueError, match=r"dataset_path.custom is .*two, and .*data/custom holds what was made of .*one: .*=data/two"):
        prepare("custom", tmp_path / "two", tmp_path / "data", jobs=1)
    (tmp_path / "one").rename(tmp_path / "moved")
    prepare("custom", tmp_path / "moved", tmp_path / "data", jobs=1)
    prepare("custom", tmp_path / "two", tmp_path / "data/two", jobs=1)


def test_what_a_corpus_holds_is_said_and_what_looks_wrong(tmp_path, caplog):
    for number in range(6):
        sound(tmp_path / f"raw/{'anna' if number else 'bob'}/{number}.wav", seconds=1.2)
        write(tmp_path / f"raw/{'anna' if number else 'bob'}/{number}.txt", "hello there" if number != 3 else "hello there " * 9)
    report = prepare("custom", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    for told in ("voices: anna 0.1 min, bob 0.0 min", "languages: en-us 0.1 min", "0.1 minutes are little", "is it the text of this recording?"):
        assert told in caplog.text, told
    assert [row[0] for row in report.warnings] == ["anna_3"]


def test_bad_recordings_are_skipped_and_named(tmp_path):
    import soundfile

    raw = tmp_path / "raw"
    tone = clip(0.5, 150, 0)
    raw.mkdir()
    soundfile.write(raw / "stereo.wav", np.stack([tone, tone], 1), RATE)
    soundfile.write(raw / "low.wav", tone, 8000)
    soundfile.write(raw / "high.wav", np.repeat(tone, 6), 96000)
    soundfile.write(raw / "clipped.wav", np.clip(20 * tone, -1, 1), RATE)
    soundfile.write(raw / "silent.wav", 0 * tone, RATE)
    soundfile.write(raw / "nan.wav", np.full(800, np.nan, np.float32), RATE, subtype="FLOAT")
    soundfile.write(raw / "empty.wav", tone[:0], RATE)
    write(raw / "corrupt.wav", "these are no samples")
    write(raw / "zero.wav", "")
    for path in raw.glob("*.wav"):
        write(path.with_suffix(".txt"), "hello")
    soundfile.write(raw / "mute.wav", tone, RATE)
    write(raw / "lonely.txt", "hello")

    report = prepare("custom", raw, tmp_path / "data", needs_text=True, jobs=1)
    rows = [u for s in report.counts for u in read_manifest(tmp_path / f"data/custom/{s}.jsonl")]
    assert {u.id for u in rows} == {"stereo", "low", "high", "clipped"}
    assert all(abs(u.seconds - 0.5) < 0.51 for u in rows)
    reasons = dict(report.skipped)
    for name, word in {
        "silent": "silent", "nan": "NaN", "empty": "empty", "corrupt": "corrupt.wav", "zero": "zero.wav",
        "mute": "no transcript", "lonely": "no recording",
    }.items():  # fmt: skip
        assert word in reasons[name], reasons
    doubts = dict(report.warnings)
    assert "clipped" in doubts["clipped"] and "8000" in doubts["low"] and set(doubts) == {"clipped", "low"}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return demo.make(tmp_path_factory.mktemp("demo") / "corpus", sentences=8)


def test_demo_phones_are_those_of_the_text(spoken):
    from processors.g2p import espeak
    from processors.text import as_textgrid, textgrid_tokens

    for u in demo.utterances(spoken):
        assert textgrid_tokens(u.textgrid) == as_textgrid(espeak(u.text)), u.text


def test_demo_times_fill_the_sound(spoken):
    from utils.textgrid import read_textgrid

    for utterance in demo.utterances(spoken):
        seconds = Audio.read(utterance.audio).seconds
        _, starts, stops = zip(*read_textgrid(utterance.textgrid), strict=True)
        assert starts[0] == 0
        assert stops[-1] == pytest.approx(seconds, abs=1e-3)
        assert starts[1:] == pytest.approx(stops[:-1])
        assert (np.subtract(stops, starts)[:-1] > 0).all()
        words = [word for word, _, _ in read_textgrid(utterance.textgrid, "words") if word]
        written = utterance.text.translate(str.maketrans("", "", ",.?!:"))
        assert " ".join(words).lower() == written.lower()


def test_demo_times_are_where_the_sound_is(spoken):
    """Vowels are loud, fricatives are noisy, silences are faint, where the TextGrid says they are."""
    from utils.textgrid import read_textgrid

    levels = defaultdict(list)
    crossings = defaultdict(list)
    for utterance in demo.utterances(spoken):
        audio = Audio.read(utterance.audio)
        for label, start, end in read_textgrid(utterance.textgrid):
            first = round((start + 0.01) * audio.rate)
            last = round((end - 0.01) * audio.rate)
            part = audio.samples[first:last]
            if len(part) >= 200:
                levels[label].append(np.sqrt(np.mean(part**2)))
                crossings[label].append(np.mean(np.abs(np.diff(np.sign(part)))) / 2)
    loud = of_phones(levels, "ɑː eɪ oʊ æ")
    hiss = of_phones(crossings, "s ʃ")
    hum = of_phones(crossings, "ɑː eɪ oʊ m n")
    assert min(loud) > 3 * np.median(levels[""])
    assert np.median(hiss) > 5 * np.median(hum)


def of_phones(values, phones):
    return [value for phone in phones.split() for value in values[phone]]


def test_demo_is_the_same_each_time_and_its_test_sentences_are_new(spoken, tmp_path):
    again = demo.make(tmp_path / "again", sentences=8)
    for path in sorted(spoken.rglob("*.*")):
        assert path.read_bytes() == (again / path.relative_to(spoken)).read_bytes(), path
    texts = {utterance.text for utterance in demo.utterances(spoken)}
    assert len(texts) == 8 * len(demo.VOICES)
    news = demo.sentences_of(Random(0), 50, held_out=True)
    assert len(set(news)) == 50
    assert texts.isdisjoint(news)
    assert news == demo.sentences_of(Random(0), 50, held_out=True)
    assert news != demo.sentences_of(Random(1), 50, held_out=True)
    assert set(news).isdisjoint(demo.sentences_of(Random(9), 300))


def test_demo_makes_itself_and_keeps_twenty_and_twenty(tmp_path, monkeypatch):
    small = {"sentences": 5, "voices": demo.VOICES[:1]}
    monkeypatch.setattr(demo.make, "__kwdefaults__", demo.make.__kwdefaults__ | small)
    report = prepare("demo", tmp_path / "made", tmp_path / "data", needs_text=True, jobs=1)
    assert report.counts == {"train": 3, "valid": 1, "test": 1}
    assert (tmp_path / "made/metadata.csv").is_file()
    utterances = [demo.Utterance(f"x-{i:03d}") for i in range(demo.SENTENCES)]
    splits = [demo.split(utterance) for utterance in utterances] * len(demo.VOICES)
    assert splits.count("valid") == 20
    assert splits.count("test") == 20


def test_demo_words_are_everyday_words():
    pytest.importorskip("pocketsphinx")
    from processors.g2p import cmudict, read_lexicon

    templates = re.sub(r"\{\w+\}", " ", demo.TEMPLATES)
    choices = " ".join(demo.GRAMMAR.values()).replace("|", " ")
    words = re.findall(r"[a-z]+", f"{templates} {choices}".lower())
    assert len(set(words)) > 100
    assert set(words) <= set(read_lexicon(cmudict()))


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="../shared/data is absent")
@pytest.mark.parametrize(
    ("name", "folder", "count"),
    [("ljspeech", "LJSpeech-1.1", 300), ("ljspeech", "kathleen", 640), ("vctk", "VCTK-Corpus-0.92", 30)],
)
def test_real_corpora(name, folder, count):
    root = SHARED / "data" / folder
    rows = list(corpus(name).utterances(root))
    assert len(rows) == count and all(u.text and u.speaker for u in rows) and not corpus(name).orphans(root)
    assert Audio.read(rows[0].audio).seconds > 0.5
