"""What pairs two files, how long they may be beside one another, and files that come back in another shape than they were written."""

import contextlib
import dataclasses
import json
import os
import re
import unicodedata

import numpy as np
import pytest

from bins.compare import main as compare_main
from bins.evaluate import main
from evaluation.base import evaluate
from evaluation.compare import compare, results_of, systems_of
from evaluation.journal import Journal, pack
from evaluation.listening_score import score
from evaluation.metric import METRICS, Options
from evaluation.pair import Pair
from evaluation.result import markdown
from tests.test_metrics import noisy, voice
from utils.audio import Audio
from utils.files import read_json, write_json, write_jsonl
from utils.recordings import find_audio, stem_of
from visualization.comparison_tables import markdown as comparison
from visualization.listening_page import make_page

IN_TIME = ["energy_rmse", "mcd", "mcd_dtw", "mstft", "snr", "stoi", "v_uv_f1"]


def read_jsonl(path):
    """The rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def two(tmp_path):
    """Six pairs of which one, "a0", has lost the last three quarters of its generated side."""
    for i in range(6):
        sound = voice(f0=120 + 20 * i, seed=i)
        sound.write(tmp_path / f"ref/a{i}.wav")
        kept = len(sound.samples) // (4 if i == 0 else 1)
        noisy(Audio(sound.samples[:kept], sound.rate), 0.01 + 0.001 * i).write(tmp_path / f"deg/a{i}.wav")
    return tmp_path / "ref", tmp_path / "deg"


# --- lengths


@pytest.mark.parametrize("align", ["cut", "dtw"])
def test_a_quarter_of_the_speech_has_no_score_and_is_listed(two, align, caplog):
    result = evaluate(*two, [*IN_TIME, "ltas"], jobs=1, align=align)
    others = [f"a{i}" for i in range(1, 6)]
    for name in IN_TIME:
        assert sorted(result.values[name]) == others, name
        reason = result.failed[name]["a0"]
        assert "0.30 s, 0.25 of the reference's 1.20 s" in reason
        assert "length_ratio 2" in reason
        assert result.metrics[name]["failed"] == 1
    assert "a0" in result.values["ltas"]  # it compares no moments
    assert result.lengths["a0"] == pytest.approx({"reference": 1.2, "generated": 0.3, "ratio": 0.25})
    assert [result.lengths[name]["ratio"] for name in others] == [1.0] * 5
    table = result.table()
    assert "1 of 6 pairs differ in length by more than 5%" in table
    assert "a0 0.30 s for 1.20 s" in table
    assert "ratio 0.875 (0.25 to 1 of the pairs)" in table


def test_the_bound_can_be_set_and_a_warning_comes_earlier(two, tmp_path):
    sound = voice(f0=140, seed=1)
    Audio(sound.samples[: round(0.9 * len(sound.samples))], sound.rate).write(two[1] / "a1.wav")
    keep = tmp_path / "parts.jsonl"  # a score of another bound is not taken for one of this
    found = {bound: evaluate(*two, ["snr"], jobs=1, length_ratio=bound, keep=keep) for bound in (0, 1.05, 2, 5)}
    failed = {bound: sorted(result.failed["snr"]) for bound, result in found.items()}
    assert failed == {0: [], 1.05: ["a0", "a1"], 2: ["a0"], 5: []}
    assert all("2 of 6 pairs differ" in result.table() for result in found.values())
    for wrong in (1, 0.5, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="length_ratio .*above 1 is needed"):
            evaluate(*two, ["snr"], jobs=1, length_ratio=wrong)
    for ratio, ok in ((1.99, True), (2.0, False), (1 / 1.99, True), (0.5, False)):
        pair = Pair.of(voice(1.0), voice(ratio))
        if ok:
            pair.score(METRICS["mcd_dtw"], 24000)
        else:
            with pytest.raises(ValueError, match="too unlike to compare"):
                pair.score(METRICS["mcd_dtw"], 24000)


def test_upstreams_definitions_cut_as_they_did(two):
    assert "a0" in evaluate(*two, ["mcd", "stoi"], jobs=1, definition="upstream").values["mcd"]


def test_lengths_stand_in_what_the_program_writes_and_survive_a_second_run(two, tmp_path):
    out = tmp_path / "r.json"
    reference, generated = map(str, two)
    words = ["--reference", reference, "--generated", generated, "--metrics", "snr", "--jobs", "1", "--out", str(out)]
    for _ in range(2):
        assert main(words) == 0
        result = read_json(out)
        assert result["lengths"]["a0"]["ratio"] == pytest.approx(0.25)
        assert len(result["lengths"]) == 6
        for table in (markdown(result), out.with_suffix(".md").read_text()):
            assert "differ in length" in table
    assert main([*words, "--length_ratio", "1.2"]) == 0
    # A journal of before lengths were kept: they are looked up, and no metric is computed again.
    journal = tmp_path / "r.parts.jsonl"
    lines = read_jsonl(journal)
    for line in lines:
        line.pop("seconds", None)
    write_jsonl(journal, lines)
    assert main(words) == 0
    assert len(read_json(out)["lengths"]) == 6


def test_a_comparison_tells_lengths(two, tmp_path):
    words = ["--reference", str(two[0]), "--generated", f"cut={two[1]}", f"same={two[0]}", "--metrics", "snr", "--jobs", "1"]
    assert compare_main([*words, "--out", str(tmp_path / "out"), "--worst", "6"]) == 0
    said = "cut 1.00 (0.25 to 1.00; 1 of 6 differ by more than 5%), same 1.00 (1.00 to 1.00)"
    page = (tmp_path / "out/comparison.html").read_text(encoding="utf-8")
    assert said in (tmp_path / "out/comparison.md").read_text() and said in page
    assert "1.20 s, 1.00 of the reference" in page
    results = {name: read_json(tmp_path / f"out/system-{i}/result.json") for i, name in enumerate(("cut", "same"), 1)}
    for result in results.values():
        del result["lengths"]  # as written before
    assert "Lengths" not in comparison(compare(results))


def test_speech_with_a_tempo_of_its_own_is_no_failure_with_dtw(tmp_path):
    voice(1.0).write(tmp_path / "ref/a.wav")
    voice(1.6).write(tmp_path / "deg/a.wav")
    result = evaluate(tmp_path / "ref", tmp_path / "deg", ["mcd", "f0rmse", "fpc", "energy_rmse"], jobs=1, align="dtw")
    assert not any(result.failed.values())


def test_recipes_hold_a_vocoder_to_its_length_and_let_a_voice_learn_its_own():
    from models.base.task import Task
    from models.vocoders.task import Vocoder

    assert (Task.length_ratio, Vocoder.length_ratio, Options.length_ratio) == (0, 1.25, 2)


# --- names


def test_only_the_suffix_of_a_sound_is_no_part_of_a_name():
    told = {"spk.001": "spk.001", "spk.001.wav": "spk.001", "a.b.FLAC": "a.b", "v1.0": "v1.0", "a.txt": "a.txt", "a": "a", "x.wav.wav": "x.wav"}
    assert {name: stem_of(name) for name in told} == told


def test_dots_in_names_pair_and_find_their_texts(tmp_path):
    from evaluation.intelligibility import transcripts

    for name in ("spk.001", "spk.002", "spk"):
        for side in ("ref", "deg"):
            voice().write(tmp_path / side / f"{name}.wav")
    assert evaluate(tmp_path / "ref", tmp_path / "deg", ["snr"], jobs=1).values["snr"].keys() == {"spk", "spk.001", "spk.002"}
    lines = tmp_path / "lines.txt"
    lines.write_text("spk.001|one\u2028two\nspk.002.wav|two\x85\nwavs/spk|three\nother\\x.y.flac|four\n", encoding="utf-8")
    assert transcripts(str(lines)) == {"spk.001": "one\u2028two", "spk.002": "two\x85", "spk": "three", "x.y": "four"}


def test_lists_of_texts_that_are_no_such_lists(tmp_path):
    from evaluation.intelligibility import transcripts

    for content, said in (
        (b"a.wav|one\na.flac|two\n", "lines.txt:2 gives a a second text"),
        (b"a|one|One\n", "lines.txt:1 has 2 bars"),
        ("a|ol\u00e1\n".encode("latin-1"), "lines.txt:1.*UTF-8"),
    ):
        (tmp_path / "lines.txt").write_bytes(content)
        transcripts.cache_clear()
        with pytest.raises(ValueError, match=said):
            transcripts(str(tmp_path / "lines.txt"))


def test_a_name_in_another_encoding_costs_only_itself(two, caplog):
    for folder in two:
        os.rename(folder / "a1.wav", os.fsencode(folder) + b"/\xe4.wav")
    assert evaluate(*two, ["snr"], jobs=1).values["snr"].keys() == {"a2", "a3", "a4", "a5"}


def test_composed_and_decomposed_names_are_one(tmp_path):
    names = [unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD")]
    for side, name in zip(("ref", "deg"), names, strict=True):
        voice().write(tmp_path / side / f"{name}.wav")
    assert list(evaluate(tmp_path / "ref", tmp_path / "deg", ["snr"], jobs=1).values["snr"]) == [names[0]]


# --- links


def test_linked_sounds_and_folders_are_measured(two, tmp_path, caplog):
    links = tmp_path / "links"
    for name, folder in zip(("ref", "deg"), two, strict=True):
        side = links / name
        (side / ".cache").mkdir(parents=True)
        (side / "speaker").symlink_to(folder)
        (side / "speaker-again").symlink_to(folder)  # one folder twice is one
        (side / "round").symlink_to(side)
        (side / "b.wav").symlink_to(folder / "a1.wav")
        (side / "lost.wav").symlink_to(tmp_path / "nowhere.wav")
        (side / "._a0.wav").write_bytes(b"of another system")
        (side / ".cache/a1.wav").write_bytes(b"hidden")
    result = evaluate(links / "ref", links / "deg", ["snr"], jobs=1)
    assert sorted(result.values["snr"]) == ["a1", "a2", "a3", "a4", "a5", "b"]
    assert list(result.failed["snr"]) == ["a0"]
    sounds = find_audio(links / "deg")
    assert sorted(sounds) == ["a0", "a1", "a2", "a3", "a4", "a5", "b"]
    assert list(sounds.values()) == sorted(sounds.values(), key=str)


def test_a_linked_folder_goes_by_its_own_name_and_keeps_its_result_beside_it(two, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    for name, folder in zip(("truth", "ours.v1"), two, strict=True):
        (tmp_path / "elsewhere" / name).symlink_to(folder)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert list(systems_of(["ours.v1", str(tmp_path / "elsewhere/truth")])) == ["ours.v1", "truth"]
    assert main(["--reference", "truth", "--generated", "ours.v1", "--metrics", "snr", "--jobs", "1"]) == 0
    assert (tmp_path / "elsewhere/result.json").is_file() and not (tmp_path / "result.json").exists()
    page, key = make_page(systems_of(["ours.v1", "truth"]), tmp_path / "listen", utterances=2)
    assert read_json(key)["systems"] == ["ours.v1", "truth"] and page.is_file()


def test_the_journal_takes_names_with_any_character(two, tmp_path):
    for folder in two:
        os.rename(folder / "a1.wav", folder / "a\u2028\x85b.wav")
    keep = tmp_path / "parts.jsonl"
    first = evaluate(*two, ["snr"], jobs=1, keep=keep)
    size = keep.stat().st_size
    assert evaluate(*two, ["snr"], jobs=1, keep=keep).values == first.values and "a\u2028\x85b" in first.values["snr"]
    # Failures are tried again, and only they write a line.
    assert [json.loads(line)["id"] for line in keep.read_bytes()[size:].decode().split("\n") if line] == ["a0"]


# --- shapes

DEEP = "[" * 100_000 + "]" * 100_000


SPOILT_PARTS = (
    {"values": {"snr": None}},
    {"values": [1]},
    {"files": 3},
    {"rates": {"snr": "x"}},
    {"rows": {"snr": [[[2], "AA=="]]}},
    {"rows": {"snr": [5]}},
    {"keys": None},
    {"seconds": {"reference": 0, "generated": 1}},
)


def test_a_damaged_journal_costs_only_its_lines(two, tmp_path):
    keep = tmp_path / "parts.jsonl"
    first = evaluate(*two, ["snr"], jobs=1, keep=keep)
    lines = keep.read_text().split("\n")
    whole = json.loads(lines[1])
    wrong = [5, None, [], {}, "x"]
    wrong += [whole | spoilt for spoilt in SPOILT_PARTS]
    damaged = [json.dumps(line) for line in wrong] + [DEEP]
    for text in (damaged + lines, damaged):
        keep.write_text("\n".join(text))
        again = evaluate(*two, ["snr"], jobs=1, keep=keep)
        assert (again.values, again.lengths) == (first.values, first.lengths)


PLACES = """ metrics values settings metrics.snr metrics.snr.n metrics.snr.unit metrics.snr.interval metrics.snr.mean values.snr values.snr.a1
settings.metrics settings.metrics.snr lengths lengths.a1 lengths.a1.ratio counts counts.snr counts.snr.a1"""


FITTING = [("metrics.snr.interval", None), ("metrics.snr.mean", None), ("metrics.snr.unit", "many")]
FITTING += [(place, 5) for place in ("metrics.snr.n", "metrics.snr.mean", "values.snr.a1", "lengths.a1.ratio")]


@pytest.mark.parametrize("place", re.split(r"\s", PLACES))
def test_a_result_of_another_shape_is_refused_by_name_and_place(two, tmp_path, place):
    made = tmp_path / "good.json"
    evaluate(*two, ["snr"], jobs=1).save(made)
    for wrong in (5, [], [1, "x"], {}, "many", None, DEEP):
        if (place, wrong) in FITTING:
            continue
        result = read_json(made) | {"counts": {"snr": {"a1": [1, 2, {}]}}}
        result["metrics"]["snr"]["pooled"] = place.startswith("counts")
        text = DEEP if wrong == DEEP else json.dumps(spoil(result, place, wrong))
        (tmp_path / "bad.json").write_text(text)
        systems = {"good": made, "bad": tmp_path / "bad.json"}
        if wrong == {}:
            with contextlib.suppress(ValueError):
                compare(results_of(None, systems, [], tmp_path))
            continue
        with pytest.raises(ValueError, match=r"no result of bins\.evaluate: .*bad\.json"):
            compare(results_of(None, systems, [], tmp_path))


def test_embeddings_of_a_journal_that_cannot_be_unpacked_are_made_again(tmp_path):
    good = {"id": "a", "files": [], "keys": {"fd": "k"}, "values": {}, "counts": {}, "rates": {"fd": 16000}}
    good["rows"] = {"fd": [pack(np.ones(2)), None]}
    bad = good | {"id": "b", "rows": {"fd": [[[2], "AA=="], None]}}
    path = tmp_path / "parts.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (good, bad)))
    assert Journal(path, {"fd": "k"}).by_id.keys() == {"a"}


def test_results_of_two_bounds_of_length_compare(two, tmp_path):
    results = [dataclasses.asdict(evaluate(*two, ["snr"], jobs=1, length_ratio=bound)) for bound in (0, 2)]
    assert compare(dict(zip("ab", results, strict=True))).metrics["snr"]["n"] == 5


def spoil(value, place, wrong):
    if not place:
        return wrong
    first, _, rest = place.partition(".")
    return value | {first: spoil(value.get(first, {}), rest, wrong)}


@pytest.mark.parametrize("place", ["", "page", "kind", "question", "systems", "trials", "answers", "listener"])
def test_keys_and_answers_of_another_shape_are_refused_by_name(two, tmp_path, place):
    key = make_page({"a": two[0], "b": two[1]}, tmp_path / "out", utterances=2)[1]
    told = read_json(key)
    answer = {"page": told["page"], "listener": "ann", "answers": {trial["code"]: 3 for trial in told["trials"]}}
    for name, whole in (("key", told), ("answer", answer)):
        for wrong in (5, None, [], [5], [{}], [{"code": "x", "systems": []}], {}, {"x": []}, DEEP):
            if (name == "answer" and wrong == {} and place == "answers") or place not in ("", *whole):
                continue
            files = {"key": told, "answer": answer} | {name: DEEP if wrong == DEEP else spoil(whole, place, wrong)}
            if wrong == [] and (name, place) == ("key", "trials"):
                continue  # a test without trials: the answers are then to none of them
            for file, content in files.items():
                (tmp_path / f"{file}.json").write_text(DEEP if content == DEEP else json.dumps(content))
            with pytest.raises(ValueError, match=rf"{name}\.json"):
                score(tmp_path / "key.json", [tmp_path / "answer.json"])


def test_trials_name_the_systems_of_their_key(two, tmp_path):
    key = make_page({"a": two[0], "b": two[1]}, tmp_path / "out", utterances=2)[1]
    for systems in (["a", "b"], ["c"]):
        told = read_json(key)
        told["trials"][0]["systems"] = systems
        with pytest.raises(ValueError, match=r"bad\.json: trial"):
            score(write_json(tmp_path / "bad.json", told), [key])


# --- other inputs that gave a number


def test_silence_is_no_words_and_a_silent_reference_no_target(tmp_path, monkeypatch):
    pytest.importorskip("whisper")

    class Dreams:
        def transcribe(self, samples, **settings):
            return {"text": "Thank you for watching."}

    monkeypatch.setattr("utils.pretrained.whisper", lambda path, device: Dreams())
    silence = Audio(np.zeros(24000), 24000)
    options = Options(whisper="tiny", language="en")
    assert Pair.of(voice(), silence, options).score(METRICS["wer"], 16000)[:2] == (4.0, 4.0)
    with pytest.raises(ValueError, match="reference file is silent"):
        Pair.of(silence, voice(), options).score(METRICS["wer"], 16000)


def test_an_unknown_language_is_refused_before_anything_is_heard(two):
    pytest.importorskip("whisper")
    with pytest.raises(ValueError, match="did you mean 'german'"):
        evaluate(*two, ["wer"], jobs=1, whisper="tiny", language="germann")
