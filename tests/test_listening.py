"""The listening page and its key: what listeners cannot see, what they can do by keyboard, and what their answers come to."""

import itertools
import json
import re

import numpy as np
import pytest
import scipy.stats

from bins.listen import main
from evaluation.listening_score import opinions, preferences, score, t_interval, table
from tests.browser import CHROMIUM, DRIVER, Browser
from tests.conftest import RATE, clip
from utils.audio import Audio
from utils.files import read_json, write_json
from visualization.listening_page import make_page

browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver in the path")
NAMES = ("secret_utt", "x<script>window.hurt=1<!script>", "third")


@pytest.fixture
def folders(tmp_path):
    """A reference and two systems of three short sounds, and one that only one of them has."""
    for number, system in enumerate(("ref", "alpha", "beta")):
        for i, name in enumerate(NAMES):
            hertz = 150 + 40 * i
            samples = clip(0.2, hertz, 7 * number + i)
            Audio(samples, RATE).write(tmp_path / system / f"{name}.wav")
    alone = clip(0.2, 150, 1)
    Audio(alone, RATE).write(tmp_path / "alpha/alone.wav")
    systems = {"alpha": tmp_path / "alpha", "beta": tmp_path / "beta"}
    return systems, tmp_path / "ref"


def shown(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.S)[1])


# --- the page


def test_a_page_of_opinions_has_every_sound_once_and_the_reference_hidden(folders, tmp_path):
    systems, reference = folders
    page, key = make_page(systems, tmp_path / "out", reference=reference)
    kept = read_json(key)
    data = shown(page)
    pairs = {(trial["utterance"], *trial["systems"]) for trial in kept["trials"]}
    assert pairs == set(itertools.product(NAMES, ("reference", "alpha", "beta")))
    codes = [trial["code"] for trial in kept["trials"]]
    assert len(set(codes)) == 9
    assert [trial["code"] for trial in data["trials"]] == codes
    assert data["page"] == kept["page"]
    assert data.keys() == {"kind", "page", "question", "trials"}
    for trial in data["trials"]:
        assert trial.keys() == {"code", "sounds"}
        (sound,) = trial["sounds"]
        assert sound.startswith("data:audio/flac;base64,")


def test_nothing_in_the_page_tells_systems_or_files(folders, tmp_path):
    systems, reference = folders
    for kind in ("mos", "ab"):
        text = make_page(systems, tmp_path / kind, kind=kind, reference=reference)[0].read_text(encoding="utf-8")
        for name in ("alpha", "beta", *NAMES, str(tmp_path), "window.hurt"):
            assert name not in text, name
        assert not re.search(r"""(src|href)\s*=\s*["']?\s*(https?:|//)|@import|url\(|fetch\(|XMLHttpRequest|\{\{""", text)
        assert "default-src &#x27;none&#x27;" in text


def test_pairs_are_turned_half_of_the_time(folders, tmp_path):
    systems, _ = folders
    for i in range(20):
        audio = Audio(clip(0.05, 200 + i, i), RATE)
        for folder in systems.values():
            audio.write(folder / f"more{i}.wav")
    _, key = make_page(systems, tmp_path / "out", kind="ab", utterances=22)
    orders = [trial["systems"] for trial in read_json(key)["trials"]]
    assert len(orders) == 22
    assert orders.count(["alpha", "beta"]) == 11


def test_the_seed_decides_the_order_and_the_page(folders, tmp_path):
    made = [make_page(folders[0], tmp_path / str(i), seed=seed)[1].read_text() for i, seed in enumerate((1, 1, 2))]
    assert made[0] == made[1] != made[2] and json.loads(made[0])["page"] != json.loads(made[2])["page"]
    orders = [[trial["utterance"] for trial in json.loads(text)["trials"]] for text in made]
    assert orders[0] != orders[2]


def test_a_page_that_cannot_be_is_refused(folders, tmp_path):
    systems, reference = folders
    empty = tmp_path / "empty"
    empty.mkdir()
    Audio(clip(0.1, 200, 0), RATE).write(tmp_path / "other/other.wav")
    out = tmp_path / "out"
    for said, call in (
        ("did you mean 'mos'", lambda: make_page(systems, out, kind="moss")),
        ("two or more", lambda: make_page({"a": reference}, out, kind="ab")),
        ("no audio in", lambda: make_page({**systems, "c": empty}, out)),
        ("no folder", lambda: make_page({**systems, "c": tmp_path / "gone"}, out)),
        ("no utterance is in all of alpha, beta, c", lambda: make_page({**systems, "c": tmp_path / "other"}, out)),
        ("the name of the recordings", lambda: make_page({"reference": reference}, out)),
        ("would pass 0.01 MB at trial 2 of 6: take fewer", lambda: make_page(systems, out, megabytes=0.01)),
        ("unknown codec 'wma'", lambda: make_page(systems, out, codec="wma")),
        ("utterances 0", lambda: make_page(systems, out, utterances=0)),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            call()
    assert not (out / "listen.html").exists()


# --- scores


def test_student_s_interval():
    values = [4, 5, 3, 4, 4, 2]
    low, high = scipy.stats.t.interval(0.95, 5, np.mean(values), scipy.stats.sem(values))
    assert t_interval(values) == pytest.approx([low, high]) and t_interval([3]) is None and t_interval([3, 3]) == [3, 3]


def test_opinions_by_hand():
    first = {"systems": ["a"]}
    second = {"systems": ["b"]}
    rated = [
        ("ann", first, 4),
        ("ann", first, 5),
        ("bob", first, 2),
        ("bob", second, 1),
    ]
    found = opinions(["a", "b", "c"], rated)["systems"]
    assert found["a"]["mean"] == pytest.approx(11 / 3)
    assert found["a"]["n"] == 3
    assert found["a"]["interval"] == t_interval([4, 5, 2])
    assert found["a"]["interval_listeners"] == t_interval([4.5, 2.0])
    assert found["b"]["mean"] == 1.0
    assert found["b"]["interval"] is None
    assert found["c"]["mean"] is None


def test_preferences_by_hand():
    straight = {"systems": ["x", "y"]}
    turned = {"systems": ["y", "x"]}
    rated = [
        *[("ann", straight, "a")] * 6,
        *[("ann", turned, "b")] * 3,
        ("bob", turned, "a"),
        *[("bob", straight, "none")] * 2,
    ]
    (row,) = preferences(["x", "y"], rated)["pairs"]
    assert row["prefer_a"] == 9
    assert row["prefer_b"] == 1
    assert row["none"] == 2
    assert row["share_a"] == 0.9
    assert row["p"] == pytest.approx(22 / 1024)  # twice the chance of nine or ten of ten
    # Clopper and Pearson's interval has a closed form in beta quantiles.
    low = scipy.stats.beta.ppf(0.025, 9, 2)
    high = scipy.stats.beta.ppf(0.975, 10, 1)
    assert row["interval"] == pytest.approx([low, high])
    (row,) = preferences(["x", "y"], [("ann", straight, "none")])["pairs"]
    assert row["p"] is None


def answer(key, path, value, listener="ann", **changed):
    told = read_json(key)
    answers = {trial["code"]: value(trial) for trial in told["trials"]}
    return write_json(path, {"page": told["page"], "kind": told["kind"], "listener": listener, "answers": answers} | changed)


def test_opinions_are_scored_by_the_program(folders, tmp_path, capsys):
    systems, reference = folders
    words = [f"{name}={folder}" for name, folder in systems.items()]
    assert main(["make", "--generated", *words, "--reference", str(reference), "--out", str(tmp_path / "out")]) == 0
    key = tmp_path / "out/key.json"
    worth = {"reference": 5, "alpha": 4, "beta": 2}

    def opinion(trial):
        (system,) = trial["systems"]
        return worth[system]

    ann = answer(key, tmp_path / "ann.json", opinion)
    bob = answer(key, tmp_path / "bob.json", lambda trial: opinion(trial) - 1, "bob")
    out = tmp_path / "scores.json"
    assert main(["score", "--key", str(key), str(ann), str(bob), "--out", str(out)]) == 0
    found = read_json(out)
    means = {name: row["mean"] for name, row in found["systems"].items()}
    assert means == {"reference": 4.5, "alpha": 3.5, "beta": 1.5}
    assert found["listeners"] == 2
    low, high = t_interval([4, 4, 4, 3, 3, 3])
    assert f"| alpha | 3.50 | {low:.2f} to {high:.2f} |" in capsys.readouterr().out


def test_preferences_are_scored_whichever_side_a_system_was_on(folders, tmp_path):
    _, key = make_page(folders[0], tmp_path / "ab", kind="ab")
    file = answer(key, tmp_path / "ab.json", lambda trial: "ab"[trial["systems"].index("beta")])
    found = score(key, [file])
    (row,) = found["pairs"]
    assert row["prefer_a"] == 0
    assert row["prefer_b"] == 3
    assert row["p"] == 0.25
    assert "| alpha | beta | 0 | 3 | 0 | 0.00 |" in table(found)


def test_trials_without_an_answer_are_counted(folders, tmp_path):
    _, key = make_page(folders[0], tmp_path / "out")
    file = answer(key, tmp_path / "a.json", lambda trial: 3)
    content = read_json(file)
    content["answers"].popitem()
    found = score(key, [write_json(file, content)])
    assert found["absent"] == {"ann": 1}
    counts = [row["n"] for row in found["systems"].values()]
    assert sum(counts) == 5


def test_damaged_and_foreign_answers_are_refused_by_name(folders, tmp_path):
    key = make_page(folders[0], tmp_path / "out")[1]
    other = make_page(folders[0], tmp_path / "other", seed=1)[1]
    good = answer(key, tmp_path / "good.json", lambda trial: 3)
    bad = tmp_path / "bad.json"

    def refused(said, *files):
        with pytest.raises(ValueError, match=said):
            score(key, files)

    refused("answers another page", answer(other, bad, lambda trial: 3))
    for value in (6, 0, "3", 3.0, True, None, [3]):
        refused(r"bad\.json: \w{12} = .* is no answer", answer(key, bad, lambda trial, value=value: value))
    refused("is no answer of this page", answer(key, bad, lambda trial: 3, answers={"f" * 12: 3}))
    refused("holds no answers", write_json(bad, {"page": "x"}))
    bad.write_text('{"page": "')
    refused(r"bad\.json is damaged", bad)
    bad.write_bytes(b"\xff\xfe\x00")
    refused(r"bad\.json is damaged", bad)
    refused("'ann' has answered already", good, answer(key, tmp_path / "twice.json", lambda trial: 4))
    refused("no answers")
    with pytest.raises(ValueError, match=r"good\.json is no key"):
        score(good, [good])


# --- in a browser


@browser
def test_opinions_are_given_by_keyboard_and_come_back_as_a_file(folders, tmp_path):
    page, key = make_page(folders[0], tmp_path / "out", utterances=1)
    codes = [trial["code"] for trial in read_json(key)["trials"]]
    with Browser(tmp_path) as window:
        window.open(page)
        window.run("document.getElementById('listener').focus()")
        window.press(*"Eve", "Enter")
        window.press("4")  # before it was heard: not taken
        assert window.run("return Object.keys(state.answers).length") == 0 and window.run("return document.querySelector('#next').disabled")
        window.press(" ")
        window.until("!document.querySelector('#choices button').disabled")
        window.press("4", "2", "ArrowRight")
        assert window.run("return state.answers") == {codes[0]: 2}
        window.open(page)  # closed and opened again: the answer is still there
        window.click("#start")
        assert window.run("return at") == 1
        window.press(" ")
        window.until("!document.querySelector('#choices button').disabled")
        window.click("#choices button:nth-child(5)")
        window.press("ArrowRight")
        window.until("!document.querySelector('#end').hidden")
        window.press("ArrowLeft")
        assert window.run("return [at, document.querySelector('[aria-pressed=true]').dataset.value]") == [1, "5"]
        window.press("ArrowRight")
        window.click("#save")
        files = saved(window)
        assert window.run("return window.hurt") is None and window.complaints() == []
        assert {address.split(":")[0] for address in window.requests()} <= {"file", "data", "blob"}
    told = read_json(files[0])
    assert told["listener"] == "Eve" and told["answers"] == {codes[0]: 2, codes[1]: 5} and files[0].name.startswith("answers-Eve-")
    means = [row["mean"] for row in score(key, files)["systems"].values()]
    assert sorted(means) == [2, 5]


@browser
def test_pairs_are_judged_by_keyboard(folders, tmp_path):
    page, key = make_page(folders[0], tmp_path / "out", kind="ab", utterances=2)
    with Browser(tmp_path) as window:
        window.open(page)
        window.run("document.getElementById('listener').focus()")
        window.press(*"Al", "Enter")
        window.press("a")
        window.until("(state.played[test.trials[0].code] || []).length === 1")
        window.press("3")
        assert window.run("return Object.keys(state.answers).length") == 0  # only one of the two was heard
        window.press("b")
        window.until("!document.querySelector('#choices button').disabled")
        window.press("3", "ArrowRight", "a")
        window.until("(state.played[test.trials[1].code] || []).length === 1")
        window.press("b")
        window.until("!document.querySelector('#choices button').disabled")
        window.press("2", "ArrowRight")
        window.click("#save")
        files = saved(window)
        assert window.complaints() == []
    row = score(key, files)["pairs"][0]
    winner = read_json(key)["trials"][0]["systems"][1]
    assert row["none"] == 1 and row[f"prefer_{'a' if row['a'] == winner else 'b'}"] == 1 and row["prefer_a"] + row["prefer_b"] == 1


def saved(window):
    import time

    for _ in range(200):
        if found := list(window.downloads.glob("*.json")):
            return found
        time.sleep(0.1)
    raise AssertionError("the page saved no file.")
