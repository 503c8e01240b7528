"""Corpora as they really lie on disks: links, other files between, names in other forms, texts in other encodings, repeated ids."""

import json
import unicodedata

import pytest

from preprocessors.base import corpus, prepare, read_manifest
from preprocessors.layout import safe
from tests.test_preprocessors import TREES, sound, write

CORPORA = ["ljspeech", "vctk", "libritts", "hifitts", "aishell3", "custom"]


def prepared(name, root, needs_text=True):
    """(id -> utterance, id -> split, report) of a corpus."""
    out = root.parent / f"data-{root.name}"
    report = prepare(name, root, out, needs_text=needs_text, jobs=1)
    rows = {}
    splits = {}
    for split in report.counts:
        for utterance in read_manifest(out / name / f"{split}.jsonl"):
            rows[utterance.id] = utterance
            splits[utterance.id] = split
    return rows, splits, report


def skipped(report):
    return [identity for identity, _ in report.skipped]


def told(rows):
    return {identity: (u.speaker, u.text) for identity, u in rows.items()}


def linked(path, store):
    """Moves `path` elsewhere under another name and leaves a link."""
    store.mkdir(exist_ok=True)
    target = store / f"{len(list(store.iterdir()))}{path.suffix if path.is_file() else ''}"
    path.rename(target)
    path.symlink_to(target)


LEVELS = {"the corpus": 0, "its folders": 1, "speakers": 2, "chapters": 3, "recordings": None}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", CORPORA)
def test_links_change_nothing(name, level, tmp_path):
    root = tmp_path / "raw"
    TREES[name](root)
    expected, splits, report = prepared(name, root)
    depth = LEVELS[level]
    for path in sorted(root.rglob("*"), reverse=True) if depth != 0 else [root]:
        is_level = len(path.relative_to(root).parts) == depth and path.is_dir()
        if is_level or (depth is None and path.suffix in (".wav", ".flac")):
            linked(path, tmp_path / "store")
    if name == "custom":
        (root / "anna/up").symlink_to(root)  # a ring
    through_links, again, report_again = prepared(name, root)
    assert told(through_links) == told(expected)
    assert again == splits
    assert sorted(skipped(report_again)) == sorted(skipped(report))
    assert all(utterance.audio.startswith(str(root)) for utterance in through_links.values())


@pytest.mark.parametrize("name", CORPORA)
def test_files_of_other_kinds_change_nothing(name, tmp_path):
    root = tmp_path / "raw"
    TREES[name](root)
    expected, _, report = prepared(name, root)
    for path in [p for p in root.rglob("*") if p.is_file()]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7 attributes")
        (path.parent / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        if path.suffix in (".wav", ".flac"):
            path.with_suffix(".npy").write_bytes(b"\x93NUMPY")
            path.with_suffix(".f0").write_bytes(b"0 0")
            linked_to_nothing = path.with_name(f"lost {path.name}.json")
            linked_to_nothing.symlink_to(root / "nowhere")
    again, _, told_again = prepared(name, root)
    assert told(again) == told(expected) and sorted(told_again.skipped) == sorted(report.skipped)


@pytest.mark.parametrize("name", CORPORA)
def test_endings_in_capitals(name, tmp_path):
    root = tmp_path / "raw"
    TREES[name](root)
    expected, _, _ = prepared(name, root)
    for path in sorted(root.rglob("*")):
        if path.suffix in (".wav", ".flac", ".lab") or (path.suffix == ".txt" and path.name != "content.txt"):
            path.rename(path.with_suffix(path.suffix.upper()))
    assert told(prepared(name, root)[0]) == told(expected)


@pytest.mark.parametrize("name", ["vctk", "libritts", "custom"])
def test_a_transcript_in_another_encoding_is_named_and_the_corpus_goes_on(name, tmp_path):
    root = tmp_path / "raw"
    good, _ = TREES[name](root)
    texts = [path for path in sorted(root.rglob("*")) if path.suffix in (".txt", ".lab")]
    used = {text for _, text in good.values()}
    victim = next(path for path in texts if path.read_text().strip() in used)
    victim.write_bytes("Un café\nun garçon".encode("latin-1"))
    rows, _, report = prepared(name, root)
    (lost,) = set(good) - set(rows)
    reason = dict(report.skipped)[lost]
    assert str(victim) in reason and ":1" in reason
    assert "UTF-8" in reason
    rows, _, report = prepared(name, root, needs_text=False)
    assert lost in rows  # its sound is as good as before


@pytest.mark.parametrize(("name", "file"), [("ljspeech", "metadata.csv"), ("aishell3", "train/content.txt")])
def test_a_line_in_another_encoding_is_named_and_the_corpus_goes_on(name, file, tmp_path):
    root = tmp_path / "raw"
    good, _ = TREES[name](root)
    path = root / file
    latin = "xé|a\tb\n".encode("latin-1")
    path.write_bytes(latin + path.read_bytes())
    rows, _, report = prepared(name, root)
    assert told(rows) == good
    reason = dict(report.skipped)[f"{path.name}:1"]
    assert "0xe9" in reason
    assert f"save {path} again as UTF-8" in reason


def test_a_manifest_line_in_another_encoding(tmp_path):
    root = tmp_path / "raw"
    good, _ = TREES["hifitts"](root)
    manifest = root / "92_manifest_clean_train.json"
    manifest.write_bytes(b'{"text": "caf\xe9"}\n' + manifest.read_bytes())
    found, _, report = prepared("hifitts", root)
    assert told(found) == good and f"{manifest.name}:1" in dict(report.skipped)


@pytest.mark.parametrize("name", CORPORA)
def test_byte_order_marks_and_line_ends_of_windows(name, tmp_path):
    root = tmp_path / "raw"
    good, strays = TREES[name](root)
    for path in root.rglob("*"):
        if path.suffix in (".txt", ".lab", ".csv", ".json"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    found, _, report = prepared(name, root)
    assert told(found) == good and {i for i, _ in report.skipped} == strays


def test_metadata_with_old_or_doubled_line_ends(tmp_path):
    root = tmp_path / "raw"
    good, _ = TREES["ljspeech"](root)
    path = root / "metadata.csv"
    rows = path.read_bytes()
    path.write_bytes(rows.replace(b"\n", b"\r\r\n"))
    assert told(prepared("ljspeech", root)[0]) == good
    path.write_bytes(rows.replace(b"\n", b"\r"))
    with pytest.raises(ValueError, match="metadata.csv:1 holds a carriage return"):
        prepared("ljspeech", root)


MARKS = "one\u2028two\u0085three\x0cfour\x1cfive"


def test_marks_that_str_splitlines_takes_for_line_ends(tmp_path):
    sound(tmp_path / "raw/wavs/a.wav")
    write(tmp_path / "raw/metadata.csv", f"a|{MARKS}\n")
    for name in ("ljspeech", "custom"):
        assert prepared(name, tmp_path / "raw")[0]["a"].text == MARKS
    sound(tmp_path / "hifi/audio/92_clean/1/a.flac")
    row = {"audio_filepath": "audio/92_clean/1/a.flac", "text": MARKS}
    write(tmp_path / "hifi/92_manifest_clean_train.json", json.dumps(row, ensure_ascii=False) + "\n")
    assert prepared("hifitts", tmp_path / "hifi")[0]["92_clean_1_a"].text == MARKS
    sound(tmp_path / "beside/a.wav")
    write(tmp_path / "beside/a.txt", MARKS)
    assert prepared("custom", tmp_path / "beside")[0]["a"].text == MARKS


NFD = unicodedata.normalize("NFD", "café")
NFC = unicodedata.normalize("NFC", "café")


@pytest.mark.parametrize(("on_disk", "in_list"), [(NFD, NFC), (NFC, NFD), (NFD, NFD)])
def test_names_composed_in_another_way_are_the_same(tmp_path, on_disk, in_list):
    sound(tmp_path / f"raw/wavs/{on_disk}.wav")
    write(tmp_path / "raw/metadata.csv", f"{in_list}|hello\n")
    write(tmp_path / f"raw/TextGrid/{in_list}.TextGrid", "")
    for name in ("ljspeech", "custom"):
        rows, _, report = prepared(name, tmp_path / "raw")
        assert list(rows) == [NFC] and rows[NFC].textgrid and not report.skipped
    sound(tmp_path / f"beside/{on_disk}.wav")
    write(tmp_path / f"beside/{in_list}.txt", "hello")
    assert prepared("custom", tmp_path / "beside")[0][NFC].text == "hello"
    sound(tmp_path / f"hifi/audio/92_clean/1/{on_disk}.flac")
    row = {"audio_filepath": f"audio/92_clean/1/{in_list}.flac", "text": "hello"}
    write(tmp_path / "hifi/92_manifest_clean_train.json", json.dumps(row) + "\n")
    assert list(prepared("hifitts", tmp_path / "hifi")[0]) == [f"92_clean_1_{NFC}"]


@pytest.mark.parametrize("written", ["x", "x.wav", "wavs/x", "wavs/x.wav", "./wavs/x.wav", "./x.wav", "wavs\\x.wav", " x ", "{root}/wavs/x.wav"])
@pytest.mark.parametrize("name", ["ljspeech", "custom"])
def test_ways_to_write_an_id(tmp_path, name, written):
    sound(tmp_path / "raw/wavs/x.wav")
    write(tmp_path / "raw/metadata.csv", f"{written.format(root=tmp_path / 'raw')}|hello\n")
    rows, _, report = prepared(name, tmp_path / "raw")
    assert list(rows) == ["x"] and not report.skipped


@pytest.mark.parametrize("written", ["anna/x", "./anna/x.wav", "anna\\x.wav", "{root}/anna/x.wav"])
def test_ways_to_write_an_id_below_folders(tmp_path, written):
    sound(tmp_path / "raw/anna/x.wav")
    sound(tmp_path / "raw/bob/x.wav")
    write(tmp_path / "raw/metadata.csv", f"{written.format(root=tmp_path / 'raw')}|hello\nbob/x|goodbye\n")
    assert {i: u.text for i, u in prepared("custom", tmp_path / "raw")[0].items()} == {"anna_x": "hello", "bob_x": "goodbye"}


@pytest.mark.parametrize("stem", ["spk.001", " lead", "trail ", "a\u00a0b", "\u00a0edge\u00a0", "v1.0.wav", "x\u3000"])
@pytest.mark.parametrize("name", ["ljspeech", "custom"])
def test_what_belongs_to_a_name_stays(tmp_path, name, stem):
    sound(tmp_path / f"raw/wavs/{stem}.wav")
    write(tmp_path / "raw/metadata.csv", f"{stem}|hello\n")
    rows, _, report = prepared(name, tmp_path / "raw")
    assert not report.skipped
    (utterance,) = rows.values()
    assert utterance.audio.endswith(f"/{stem}.wav")


def test_names_that_differ_in_an_edge_or_a_vowel_sign_are_two(tmp_path):
    for stem in ("x", "x ", "लड़का", "लड़की"):
        sound(tmp_path / f"raw/wavs/{stem}.wav")
    write(tmp_path / "raw/metadata.csv", "x|one\nx |two\nलड़का|three\nलड़की|four\n")
    rows, _, _ = prepared("ljspeech", tmp_path / "raw")
    assert {u.audio.rsplit("/", 1)[-1]: u.text for u in rows.values()} == {
        "x.wav": "one", "x .wav": "two", "लड़का.wav": "three", "लड़की.wav": "four",
    }  # fmt: skip
    assert safe("लड़का") == "लड़का" != safe("लड़की") and safe("anna/take 1") == "anna_take_1" and safe("!") == "unnamed"


def test_names_in_another_encoding_are_listed_and_the_corpus_goes_on(tmp_path):
    import os

    sound(tmp_path / "raw/anna/a.wav")
    write(tmp_path / "raw/anna/a.txt", "hello")
    for name in (b"caf\xe9.wav", b"caf\xe9.txt", b"na\xefve.txt"):
        source = "a.wav" if name.endswith(b"wav") else "a.txt"
        (tmp_path / "raw/anna" / os.fsdecode(name)).write_bytes((tmp_path / "raw/anna" / source).read_bytes())
    rows, _, report = prepared("custom", tmp_path / "raw")
    assert list(rows) == ["anna_a"]
    reasons = " ".join(reason for _, reason in report.skipped)
    assert "caf\\udce9.wav is not in UTF-8: rename" in reasons and "na\\udcefve.txt has no recording" in reasons
    write(tmp_path / "lj/metadata.csv", "a|hello\n")
    for name in (b"a.wav", b"caf\xe9.wav"):
        (tmp_path / "lj/wavs").mkdir(exist_ok=True)
        (tmp_path / "lj/wavs" / os.fsdecode(name)).write_bytes((tmp_path / "raw/anna/a.wav").read_bytes())
    rows, _, report = prepared("ljspeech", tmp_path / "lj")
    assert list(rows) == ["a"] and [identity for identity, _ in report.skipped] == ["caf\\udce9"]


def test_long_names_become_ids_that_name_files(tmp_path):
    folders = "/".join(["chapter " + 60 * "x"] * 5)
    for stem in ("a", "b"):
        sound(tmp_path / f"raw/{folders}/{stem}.wav")
        write(tmp_path / f"raw/{folders}/{stem}.txt", "hello")
    rows, _, _ = prepared("custom", tmp_path / "raw")
    assert len(rows) == 2 and all(len(identity.encode()) < 200 for identity in rows)


def test_an_empty_normalized_text_beside_a_full_original_one(tmp_path):
    root = tmp_path / "raw"
    good, _ = TREES["libritts"](root)
    for path in list(root.rglob("103_1_000000_000000.normalized.txt")):
        path.write_text(" \n")
        path.with_name("103_1_000000_000000.original.txt").write_text("I am 103!")
    assert prepared("libritts", root)[0]["103_1_000000_000000"].text == "I am 103!"
    for path in root.rglob("*.original.txt"):
        path.unlink()
    _, _, report = prepared("libritts", root)
    assert "103_1_000000_000000.normalized.txt is empty" in dict(report.skipped)["103_1_000000_000000"]


def test_an_empty_txt_beside_a_full_lab(tmp_path):
    sound(tmp_path / "raw/a.wav")
    write(tmp_path / "raw/a.txt", "")
    write(tmp_path / "raw/a.lab", "hello")
    assert prepared("custom", tmp_path / "raw")[0]["a"].text == "hello"


def test_a_recording_in_two_formats_is_taken_once(tmp_path):
    for suffix in ("mp3", "flac"):
        sound(tmp_path / f"raw/a.{suffix}")
    write(tmp_path / "raw/a.txt", "hello")
    rows, _, report = prepared("custom", tmp_path / "raw")
    assert rows["a"].audio.endswith("a.flac") and "a.mp3 is left out: a.flac" in dict(report.skipped)["a"]


def test_equal_lines_are_taken_once_and_said(tmp_path):
    root = tmp_path / "raw"
    good, strays = TREES["hifitts"](root)
    manifest = root / "92_manifest_clean_train.json"
    manifest.write_text(manifest.read_text() * 2)
    rows, splits, report = prepared("hifitts", root)
    assert told(rows) == good and {i for i, _ in report.skipped} == strays
    assert "listed 2 times" in dict(report.warnings)["92_clean_10425_a_0000"]
    write(root / "92_manifest_clean_dev.json", manifest.read_text())  # and in two splits
    assert prepared("hifitts", root)[1]["92_clean_10425_a_0000"] == "train"


def test_two_texts_of_one_recording_are_both_left_out_and_named(tmp_path):
    root = tmp_path / "raw"
    TREES["ljspeech"](root)
    with open(root / "metadata.csv", "a") as file:
        file.write("wavs/LJ001-0002.wav|goodbye\n")
    rows, _, report = prepared("ljspeech", root)
    reason = dict(report.skipped)["LJ001-0002"]
    assert list(rows) == ["LJ001-0001"] and "occurs twice" in reason and "hello" in reason and "goodbye" in reason


@pytest.mark.parametrize("place", ["LibriTTS_R/{}", "{}"])
def test_failed_restorations_are_left_out(tmp_path, place):
    root = tmp_path / "LibriTTS_R"
    good, strays = TREES["libritts"](root)
    folder = tmp_path / place.format("libritts_r_failed_speech_restoration_examples")
    write(folder / "train-clean-100_bad_sample_list.txt", "./train-clean-100/103/1/103_1_000000_000000.wav\n./train-clean-100/9/1/x.wav\n")
    write(folder / "train-clean-360_bad_sample_list.txt", "")
    rows, _, report = prepared("libritts", root, needs_text=False)
    assert "103_1_000000_000000" not in rows and "84_1_000000_000000" in rows
    assert "train-clean-100_bad_sample_list.txt" in dict(report.skipped)["103_1_000000_000000"]
    (tmp_path / "LibriTTS_R").rename(tmp_path / "LibriTTS")  # the original beside the lists of its restored form
    if place == "{}":
        assert "103_1_000000_000000" in prepared("libritts", tmp_path / "LibriTTS")[0]


@pytest.mark.parametrize(("name", "mute"), [("vctk", "p225_002"), ("libritts", "103_1_000001_000000")])
def test_vocoders_keep_recordings_without_text(tmp_path, name, mute):
    root = tmp_path / "raw"
    good, strays = TREES[name](root)
    rows, _, report = prepared(name, root, needs_text=False)
    assert set(rows) == {*good, mute}
    assert set(skipped(report)) == strays - {mute}
    rows, _, report = prepared(name, root)
    assert mute not in rows
    assert "no transcript" in dict(report.skipped)[mute]


def test_lines_with_an_empty_text_serve_vocoders(tmp_path):
    sound(tmp_path / "raw/wavs/a.wav")
    write(tmp_path / "raw/metadata.csv", "a|\n")
    for name in ("ljspeech", "custom"):
        assert "a" in prepared(name, tmp_path / "raw", needs_text=False)[0]


TEXTS = ["Printing differs from most arts.", "In 1450 it was modern.", "For although the Chinese took impressions."]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_ljspeechs_columns_given_to_custom_make_no_speakers(tmp_path, count):
    for i in range(count):
        sound(tmp_path / f"raw/wavs/{i}.wav")
    rows = [f"{i}|{text}|{text.replace('1450', 'fourteen fifty')}\n" for i, text in enumerate(TEXTS)]
    write(tmp_path / "raw/metadata.csv", "".join(rows[:count]))
    utterances, _, report = prepared("custom", tmp_path / "raw")
    assert {utterance.speaker for utterance in utterances.values()} == {"raw"}
    assert "id|text|text" in dict(report.warnings)["metadata.csv"]
    assert utterances["0"].text == TEXTS[0]
    if count > 1:
        assert utterances["1"].text == "In fourteen fifty it was modern."


@pytest.mark.parametrize(
    ("speaker", "count", "doubt"),
    [("speaker {3}", 12, ""), ("p{}", 5, ""), ("p{}", 12, "12 lines name 12 speakers"), ("One of {} sentences", 3, "3 lines name 3")],
)
def test_a_speaker_of_its_own_for_every_line_is_doubted(tmp_path, speaker, count, doubt):
    for i in range(count):
        sound(tmp_path / f"raw/wavs/{i}.wav")
    names = [speaker.replace("{3}", str(i % 3)).format(i) for i in range(count)]
    lines = [f"{i}|{name}|hello there\n" for i, name in enumerate(names)]
    write(tmp_path / "raw/metadata.csv", "".join(lines))
    utterances, _, report = prepared("custom", tmp_path / "raw")
    assert {utterance.speaker for utterance in utterances.values()} == set(names)
    warnings = dict(report.warnings)
    assert bool(doubt) == ("metadata.csv" in warnings)
    assert doubt in warnings.get("metadata.csv", "")


def test_a_linked_corpus_speaks_with_its_own_name(tmp_path):
    sound(tmp_path / "store/a.wav")
    write(tmp_path / "store/a.txt", "hello")
    (tmp_path / "mary").symlink_to(tmp_path / "store")
    assert prepared("custom", tmp_path / "mary")[0]["a"].speaker == "mary"


def test_results_of_infer_keep_folders_and_suffixes(tmp_path):
    from bins.infer import _starts

    for name in ("anna/x.wav", "bob/x.wav", "bob/x.npy", "bob/._y.wav", "z.OPUS"):
        write(tmp_path / name, "")
    (tmp_path / "carl").symlink_to(tmp_path / "bob")
    assert [source.name for source in _starts(tmp_path)] == ["anna/x", "bob/x.npy", "bob/x.wav", "z"]


def test_the_log_counts_equal_reasons(tmp_path, caplog):
    root = tmp_path / "raw"
    for i in range(20):
        sound(root / f"{i}.wav")
        write(root / f"{i}.txt", "hello" if i == 0 else "")
        if i:
            (root / f"{i}.txt").unlink()
    with caplog.at_level("WARNING"):
        assert corpus("custom") and prepared("custom", root)[2].counts
    assert "and 18 more: it has no transcript beside it" in caplog.text
