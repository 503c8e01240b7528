"""The corpora of speech without training a voice: parts of MLS, sections of Libri-light and their words, Emilia's bad sound."""

import json

import pytest

from bins.preprocess import main
from preprocessors import emilia, librilight, mls
from preprocessors.base import SPLITS, examine, prepare, read_manifest
from tests import trees
from tests.conftest import toy_config
from utils.audio import Audio
from utils.slicing import Slicing, sections
from utils.transcription import Transcription, code_of


def manifest(folder, name):
    return {u.id: u for split in SPLITS for u in read_manifest(folder / f"data/{name}/{split}.jsonl")}


def test_mls_keeps_its_division_and_says_its_languages(tmp_path):
    trees.mls(tmp_path / "raw")
    rows = {u.id: u for u in mls.utterances(tmp_path / "raw")}
    assert {name: (mls.split(u), u.language) for name, u in rows.items()} == {
        "1_9_000001": ("train", "de"), "1_9_000002": ("train", "de"), "2_8_000001": ("valid", "de"),
        "3_7_000001": ("test", "de"), "4_6_000001": ("train", "pl"),
    }  # fmt: skip
    alone = mls.utterances(tmp_path / "raw/mls_german")  # the folder of one language
    assert {u.id for u in alone} == set(rows) - {"4_6_000001"}


@pytest.mark.parametrize(
    ("supervision", "taken"), [("1hr", {"1_9_000001"}), ("1hr/0", {"1_9_000001"}), ("9hr", {"1_9_000002"}), (".", {"1_9_000001", "1_9_000002"})]
)
def test_mls_takes_a_limited_supervision_of_train_alone(supervision, taken, tmp_path):
    trees.mls(tmp_path)
    rows = mls.utterances(tmp_path / "mls_german", supervision=supervision)
    assert {u.id for u in rows} == taken | {"2_8_000001", "3_7_000001"}
    with pytest.raises(ValueError, match=r"corpora.mls.supervision: .*100hr holds no handles.txt. Choices: 1hr/0, 9hr"):
        list(mls.utterances(tmp_path / "mls_german", supervision="100hr"))


def test_libri_light_is_cut_where_its_json_says_that_nobody_speaks(tmp_path):
    trees.librilight(tmp_path / "raw")
    prepare("librilight", tmp_path / "raw", tmp_path / "data", jobs=1)
    rows = manifest(tmp_path, "librilight")
    cut = [rows[f"100_sea_fairies_01_baum_64kb_000{k}"] for k in (0, 1)]
    assert [(u.start, u.seconds) for u in cut] == [(0.9, 14.2), (21.9, 11.2)]
    assert len({librilight.split(u) for u in rows.values() if u.speaker == "100"}) == 1


def test_speech_beyond_the_end_and_none_at_all_make_no_section():
    sound = Audio(trees.clip(12.0, 150, 3), trees.RATE)
    how = Slicing(longest=5.0)
    assert sections(sound, how, [(1.0, 3.0), (11.0, 99.0), (20.0, 30.0)]) == [(0.9, 2.2), (10.9, 1.1)]
    assert sections(sound, how, []) == []


def test_a_broken_json_skips_its_recording(tmp_path):
    trees.librilight(tmp_path)
    path = tmp_path / "small/100/sea_fairies/01_baum_64kb.json"
    trees.write(path, '{"voice_activity": [["first", "last"]]}')
    whole = next(u for u in librilight.utterances(tmp_path) if u.speaker == "100")
    _, [(_, reason, _)] = examine(whole, needs_text=False, slicing=librilight.SLICE, speech=librilight.speech)
    assert str(path) in reason and "voice_activity" in reason
    trees.write(path, '{"voice_activity": [[900.0, 950.5]]}')
    _, [(_, reason, _)] = examine(whole, needs_text=False, slicing=librilight.SLICE, speech=librilight.speech)
    assert "nobody speaks in it" in reason
    trees.write(path, '{"voice_activity": []}')
    _, [(_, reason, _)] = examine(whole, needs_text=False, slicing=librilight.SLICE, speech=librilight.speech)
    assert "nobody speaks in it" in reason, "an empty list is not the same as none"
    trees.write(path, '{"voice_activity": [[1.0, 2.0], [3.0]]}')
    _, [(_, reason, _)] = examine(whole, needs_text=False, slicing=librilight.SLICE, speech=librilight.speech)
    assert str(path) in reason and "[3.0]" in reason


class Hearing(Transcription):
    """A recogniser that knows what is said."""

    heard = []
    absent = ""
    place = "here"

    def __call__(self, audio, language):
        self.heard.append((round(audio.seconds, 1), language))
        return "" if audio.seconds > 14 else "sea fairies"


def test_what_has_no_words_gets_those_that_are_heard_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Hearing, "heard", [])
    trees.librilight(tmp_path / "raw")
    for _ in range(2):
        report = prepare("librilight", tmp_path / "raw", tmp_path / "data", needs_text=True, transcribe=Hearing(), jobs=1)
        rows = manifest(tmp_path, "librilight")
        assert {u.text for u in rows.values()} == {"sea fairies"} and len(rows) == 3
        assert ("100_sea_fairies_01_baum_64kb_0000", "no words are heard in it") in report.skipped
    assert sorted(Hearing.heard) == [(0.3, "en-us"), (0.3, "en-us"), (11.2, "en-us"), (14.2, "en-us")]


def test_a_line_that_was_cut_short_costs_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(Hearing, "heard", [])
    trees.librilight(tmp_path / "raw")
    how = {"needs_text": True, "transcribe": Hearing(), "jobs": 1}
    prepare("librilight", tmp_path / "raw", tmp_path / "data", **how)
    (path,) = (tmp_path / "data/librilight").glob("heard-*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + '{"sound": "é'.encode()[:-1])  # within a letter
    for heard in (5, 5):
        prepare("librilight", tmp_path / "raw", tmp_path / "data", **how)
        assert len(Hearing.heard) == heard


def test_words_that_are_there_stay(tmp_path):
    trees.sound(tmp_path / "raw/ann/a.wav")
    trees.write(tmp_path / "raw/ann/a.txt", "mine")
    trees.sound(tmp_path / "raw/ann/bee.wav")
    prepare("custom", tmp_path / "raw", tmp_path / "data", needs_text=True, transcribe=Hearing(), jobs=1)
    assert {name: u.text for name, u in manifest(tmp_path, "custom").items()} == {"ann_a": "mine", "ann_bee": "sea fairies"}


def test_where_nobody_hears_all_without_words_are_listed(tmp_path, monkeypatch):
    monkeypatch.delenv("AMPHION_MODELS", raising=False)
    trees.librilight(tmp_path / "raw")
    with pytest.raises(ValueError, match="nothing usable .*set preprocess.transcribe"):
        prepare("librilight", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    nowhere = Transcription(model=str(tmp_path / "none.pt"))
    with pytest.raises(ValueError, match=r"whisper finds no model at .*none.pt: check .*preprocess.transcribe.model"):
        prepare("librilight", tmp_path / "raw", tmp_path / "data", needs_text=True, transcribe=nowhere, jobs=1)
    report = prepare("librilight", tmp_path / "raw", tmp_path / "data", transcribe=nowhere, jobs=1)
    assert sum(report.counts.values()) == 4 and "whisper finds no model" in dict(report.warnings)["200_a_book_01_x"]


def test_emilia_leaves_out_what_is_judged_to_sound_bad(tmp_path):
    trees.emilia(tmp_path / "raw")
    path = tmp_path / "raw/DE/DE-B000001/DE_B00001_S00002_W000003.json"
    trees.write(path, json.dumps(json.loads(path.read_text()) | {"dnsmos": 2.5}))
    report = prepare("emilia", tmp_path / "raw", tmp_path / "data", settings={"least_dnsmos": 3.0}, jobs=1)
    assert "DNSMOS is 2.5, below preprocess.corpora.emilia.least_dnsmos" in dict(report.skipped)["DE_B00001_S00002_W000003"]
    assert {u.language for u in emilia.utterances(tmp_path / "raw")} == {"en-us", "de"}
    elsewhere = {"id": "EN_x", "text": "Hello.", "wav": "/elsewhere/x.mp3"}
    trees.write(tmp_path / "raw/EN/EN_B00009.jsonl", json.dumps(elsewhere) + "\n")
    assert len(list(emilia.utterances(tmp_path / "raw"))) == 3
    assert "/elsewhere/x" in dict(emilia.orphans(tmp_path / "raw"))["EN_B00009.jsonl:1"]


def test_settings_of_corpora_are_checked_and_reach_them(tmp_path):
    trees.emilia(tmp_path / "raw")
    chosen = {"dataset": ["emilia"], "dataset_path": {"emilia": str(tmp_path / "raw")}}
    wrong = toy_config(tmp_path, **chosen, preprocess={"corpora": {"emilia": {"dnsmos": 3.0}, "emila": {}}})
    with pytest.raises(ValueError, match=r"(?s)corpora.emilia.dnsmos.*least_dnsmos.*corpora.emila.*emilia"):
        main(["--config", str(wrong), "--jobs", "1"])
    right = toy_config(tmp_path, **chosen, preprocess={"corpora": {"emilia": {"least_dnsmos": 3.3}}})
    with pytest.raises(ValueError, match="nothing usable"):
        main(["--config", str(right), "--jobs", "1"])


def test_languages_of_manifests_are_whispers(monkeypatch):
    asked = []
    monkeypatch.setattr("utils.transcription.transcript", lambda audio, **how: asked.append((how["language"], audio.rate)) or "x")
    monkeypatch.setattr(Transcription, "place", "here")
    hear = Transcription(device="cpu")
    for language in ("cmn", "en-us", "fr-fr"):
        hear(Audio(trees.clip(0.2, 100, 1), trees.RATE // 2), language)
    assert [code_of(language) for language, _ in asked] == ["zh", "en", "fr"] and {rate for _, rate in asked} == {16000}
