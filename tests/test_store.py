"""What lies in the store is a function of corpus and settings: whatever was done before, the same files with the same bytes."""

import shutil

import numpy as np
import pytest

from bins.extract import extract
from models.base.experiment import Experiment
from preprocessors.base import Utterance, prepare, read_manifest
from processors.features import FeatureSet
from processors.g2p import read_lexicon
from tests.conftest import RATE, toy_config
from tests.test_duration import SOUNDS, _sound
from utils.audio import Audio
from utils.textgrid import write_textgrid

FEATURES = {"phone": {"g2p": "characters"}, "duration": {}, "f0": {}, "mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}}
WORDS = ["moe sa", "nase mo", "sane om", "me noas", "oma sen", "ame sno", "eno mas", "some na"]


def say(path, text, seed=0):
    """A recording in which each letter of `text` is a noise of its own."""
    rng = np.random.default_rng(seed)
    pieces = [np.zeros(1600), *(_sound(c, 0.12, rng) if c in SOUNDS else np.zeros(800) for c in text), np.zeros(1600)]
    samples = np.concatenate(pieces)
    tone = 0.05 * np.sin(2 * np.pi * (150 + 10 * seed) * np.arange(len(samples)) / RATE)
    return Audio(samples + tone + 1e-3 * rng.standard_normal(len(samples)), RATE).write(path)


def make(root, words=WORDS, language="", first=0):
    """A `custom` corpus whose sounds are those of its texts."""
    shutil.rmtree(root, ignore_errors=True)
    for i, text in enumerate(words, first):
        say(root / f"wavs/u{i}.wav", text, i)
    rows = [f"u{i}|ann|{text}{'|' + language if language else ''}" for i, text in enumerate(words, first)]
    (root / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


def edit(root, old, new):
    path = root / "metadata.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def experiment(folder, **changed):
    features = {**FEATURES, **changed}
    return Experiment.read(toy_config(folder, preprocess={"features": features}, dataset_path={"custom": str(folder / "raw")}))


def staged(folder, **changed):
    """Preprocess and extract; returns the experiment, as a later program reads it."""
    prepare("custom", folder / "raw", folder / "data", needs_text=True, jobs=1)
    made = experiment(folder, **changed)
    extract(made, jobs=1)
    made.features.measure(["f0"], made.datasets, made.utterances("train"))
    read = experiment(folder, **changed)
    assert read.card["learned"]
    return read


def tree(folder):
    """Every file of the store and its bytes; the manifests' paths are another matter."""
    files = [p for p in (folder / "data").rglob("*") if p.is_file() and "custom/" not in str(p.relative_to(folder / "data"))[:7]]
    return {str(p.relative_to(folder / "data")): p.read_bytes() for p in files}


def arrays(made, name):
    return {u.id: made.features.raw(u, [name])[name].tolist() for u in made.everything()}


def pitch(made):
    return made.features.statistics(["f0"], made.datasets, made.utterances("train"))["f0"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The corpus as it ends in each history, prepared and extracted in a fresh folder."""
    folder = tmp_path_factory.mktemp("plain")
    make(folder / "raw")
    staged(folder)
    return folder


def corrected_text(folder):
    edit(folder / "raw", WORDS[1], "sanom e")
    staged(folder)
    edit(folder / "raw", "sanom e", WORDS[1])


def replaced_sound(folder):
    say(folder / "raw/wavs/u2.wav", WORDS[5], 77)
    staged(folder)
    say(folder / "raw/wavs/u2.wav", WORDS[2], 2)


def textgrids_that_went(folder):
    rows = [("", 0.0, 0.1), *((c, 0.1 + 0.12 * i, 0.22 + 0.12 * i) for i, c in enumerate("moesa"))]
    write_textgrid(folder / "raw/TextGrid/u0.TextGrid", {"phones": rows})
    staged(folder)
    shutil.rmtree(folder / "raw/TextGrid")


def another_corpus(folder):
    make(folder / "raw", ["ʃane ʃo", "ʃemo na", "ʃona me"], language="de")
    staged(folder)
    make(folder / "raw")


def an_utterance_more(folder):
    make(folder / "raw", [*WORDS, "ʃoma ne"])
    staged(folder)
    make(folder / "raw")


def everything_damaged(folder):
    staged(folder)
    for path in (folder / "data").rglob("*"):
        if path.suffix in (".npy", ".safetensors") or path.name.startswith(("learned", "refused", "statistics", "state")):
            path.write_bytes(path.read_bytes()[:20])
    for path in (folder / "data").rglob("alignment/custom/*.json"):
        path.write_text("[]")


def aligner_deleted(folder):
    staged(folder)
    for path in (folder / "data").rglob("*.safetensors"):
        path.unlink()


def files_of_before(folder):
    """What versions that knew no digests left."""
    made = experiment(folder).features
    for name in ("phone", "f0", "duration"):
        (made.folder(name) / "custom").mkdir(parents=True)
        np.save(made.folder(name) / "custom/u0.npy", np.zeros(3))
        (made.folder(name) / "learned-custom.json").write_text('{"aligner": "aligner-custom.safetensors", "symbols": ["a"]}')
    (made.folder("duration") / "aligner-custom.safetensors").write_bytes(b"old")


HISTORIES = [
    corrected_text, replaced_sound, textgrids_that_went, another_corpus, an_utterance_more, everything_damaged, aligner_deleted,
    files_of_before,
]  # fmt: skip


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_the_store_does_not_depend_on_what_was_done_before(tmp_path, plain, history):
    make(tmp_path / "raw")
    history(tmp_path)
    staged(tmp_path)
    found, expected = tree(tmp_path), tree(plain)
    assert found.keys() == expected.keys()
    differ = {name: (found[name][-80:], expected[name][-80:]) for name in found if found[name] != expected[name]}
    assert differ == {}


def test_a_corrected_text_is_read(tmp_path):
    make(tmp_path / "raw")
    before = arrays(staged(tmp_path), "phone")
    edit(tmp_path / "raw", WORDS[1], "ɐnase mo")
    made = staged(tmp_path)
    after = arrays(made, "phone")
    assert [name for name in after if after[name] != before[name]] == ["u1"] and "ɐ" in after["u1"]
    assert len(arrays(made, "duration")["u1"]) == len(after["u1"])
    assert "ɐ" in made.card["learned"]["phone"]["symbols"]


def test_a_replaced_sound_changes_what_is_made_of_it(tmp_path):
    make(tmp_path / "raw")
    first = staged(tmp_path)
    before = {name: arrays(first, name) for name in ("f0", "duration", "phone")}
    statistics = pitch(first)
    say(tmp_path / "raw/wavs/u3.wav", WORDS[3], 40)
    made = staged(tmp_path)
    assert arrays(made, "f0")["u3"] != before["f0"]["u3"] and arrays(made, "phone") == before["phone"]
    assert arrays(made, "f0")["u2"] == before["f0"]["u2"]
    assert pitch(made) != statistics


def test_a_corrected_textgrid_changes_durations(tmp_path):
    make(tmp_path / "raw", WORDS[:2])

    def grid(step):
        rows = [("", 0.0, 0.1), *((c, 0.1 + step * i, 0.1 + step * (i + 1)) for i, c in enumerate("moesa"))]
        write_textgrid(tmp_path / "raw/TextGrid/u0.TextGrid", {"phones": [*rows, ("", rows[-1][2], 0.85)]})
        return staged(tmp_path, duration={"source": "auto"})

    first, second = arrays(grid(0.12), "duration")["u0"], arrays(grid(0.1), "duration")["u0"]
    assert first != second and sum(first) == sum(second)


def test_a_second_corpus_in_the_same_folder_is_read_in_its_own_language_with_its_own_symbols(tmp_path):
    make(tmp_path / "raw", ["schöne Füße", "fünf Änderungen", "große Übung"], language="de")
    german = staged(tmp_path, phone={"g2p": "espeak"}).card["learned"]["phone"]
    assert german["language"] == "de"
    make(tmp_path / "raw", ["There was a change now.", "Nobody said a word.", "The ship is big."])
    made = staged(tmp_path, phone={"g2p": "espeak"})
    fresh = Utterance("-", text="There was a change now.")
    expected = FeatureSet({"phone": {"g2p": "espeak"}}, sample_rate=RATE, hop_size=256).raw(fresh, ["phone"])["phone"].tolist()
    assert arrays(made, "phone")["u0"] == expected
    learned = made.card["learned"]["phone"]
    assert "language" not in learned and not {"øː", "yː", "ʏ"} & set(learned["symbols"]) and "øː" in german["symbols"]


def test_the_same_object_learns_a_second_corpus_anew(tmp_path):
    features = FeatureSet({"phone": {}}, sample_rate=RATE, hop_size=256, store=tmp_path)
    for text, language, expected in (("fünf", "de", "ʏ"), ("there", "en-us", "ð")):
        features.fit([Utterance("a", "custom", text=text, language=language)], ["custom"], jobs=1)
        assert expected in features.raw(Utterance("-", text=text), ["phone"])["phone"].tolist()
        assert expected in features.features["phone"].table


def test_a_corrected_text_that_taught_the_aligner_nothing_costs_no_new_aligner(tmp_path, monkeypatch):
    monkeypatch.setattr("processors.aligner.TRAIN_SECONDS", 2.0)
    monkeypatch.setattr("processors.aligner.RARE", 1)
    make(tmp_path / "raw")
    aligners = set()
    for text in WORDS:
        edit(tmp_path / "raw", text, text[::-1])
        aligners.add(staged(tmp_path).card["learned"]["duration"]["aligner"])
        edit(tmp_path / "raw", text[::-1], text)
    assert 1 < len(aligners) < len(WORDS)  # those that it learnt from do


def test_training_with_arrays_of_an_older_corpus_says_what_differs(tmp_path):
    make(tmp_path / "raw")
    staged(tmp_path)
    edit(tmp_path / "raw", WORDS[1], "sanom e")
    edit(tmp_path / "raw", f"u2|ann|{WORDS[2]}\n", "")
    say(tmp_path / "raw/wavs/u3.wav", WORDS[3], 40)
    prepare("custom", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    with pytest.raises(ValueError, match="custom/u1 text changed; custom/u3 sound changed; custom/u2 gone.*run the extract stage again"):
        _ = experiment(tmp_path).card
    extract(experiment(tmp_path), jobs=1)
    assert experiment(tmp_path).card["learned"]


@pytest.mark.parametrize("kind", ["sound", "TextGrid"])
def test_what_was_replaced_since_the_preprocess_stage_is_listed(tmp_path, kind):
    make(tmp_path / "raw", WORDS[:4])
    grid = {"phones": [("", 0.0, 0.1), *((c, 0.1 + 0.12 * i, 0.22 + 0.12 * i) for i, c in enumerate("moesa")), ("", 0.7, 0.85)]}
    write_textgrid(tmp_path / "raw/TextGrid/u0.TextGrid", grid)
    staged(tmp_path)
    if kind == "sound":
        say(tmp_path / "raw/wavs/u0.wav", WORDS[0], 40)
    else:
        write_textgrid(tmp_path / "raw/TextGrid/u0.TextGrid", {"phones": [*grid["phones"][:-1], ("", 0.7, 0.84)]})
    refused = extract(experiment(tmp_path), jobs=1)
    assert list(refused) == ["custom/u0"] and f"its {kind} changed since" in refused["custom/u0"]
    prepare("custom", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    assert extract(experiment(tmp_path), jobs=1) == {}


def test_a_corrected_lexicon_is_read(tmp_path):
    lexicon = tmp_path / "words.txt"
    found = []
    for phones in ("HH AY1", "HH IY1"):
        lexicon.write_text(f"hi {phones}\n")
        read_lexicon.cache_clear()  # another run of the program
        features = FeatureSet({"phone": {"g2p": "lexicon", "lexicon": str(lexicon)}}, sample_rate=RATE, hop_size=256, store=tmp_path)
        found.append(features.raw(Utterance("a", "custom", text="hi"), ["phone"])["phone"].tolist())
    assert found[0] != found[1]


def test_a_corpus_alone_and_beside_another_keep_their_own(tmp_path):
    make(tmp_path / "raw", WORDS[:5])
    alone = staged(tmp_path)
    before = {u.id: (p := alone.features.path("duration", u)).read_bytes() + bytes(p) for u in alone.everything()}
    make(tmp_path / "lj", ["ʃane mo", "ʃemo na", "ʃona me"], first=5)
    edit(tmp_path / "lj", "|ann|", "|")
    prepare("ljspeech", tmp_path / "lj", tmp_path / "data", needs_text=True, jobs=1)
    paths = {"custom": str(tmp_path / "raw"), "ljspeech": str(tmp_path / "lj")}
    both = Experiment.read(
        toy_config(tmp_path, dataset=["custom", "ljspeech"], dataset_path=paths, preprocess={"features": FEATURES})
    )
    assert extract(both, jobs=1) == {} and "ʃ" in both.card["learned"]["phone"]["symbols"]
    again = experiment(tmp_path)
    assert "ʃ" not in again.card["learned"]["phone"]["symbols"]
    assert before == {u.id: (p := again.features.path("duration", u)).read_bytes() + bytes(p) for u in again.everything()}


def test_a_moved_corpus_is_not_extracted_again(tmp_path):
    make(tmp_path / "raw")
    first = staged(tmp_path)
    stamps = {u.id: first.features.path("f0", u).stat().st_mtime_ns for u in first.everything()}
    (tmp_path / "raw").rename(tmp_path / "elsewhere")
    prepare("custom", tmp_path / "elsewhere", tmp_path / "data", needs_text=True, jobs=1)
    made = experiment(tmp_path)
    extract(made, jobs=1)
    assert stamps == {u.id: made.features.path("f0", u).stat().st_mtime_ns for u in made.everything()}


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def empty(path):
    path.write_bytes(b"")


def other_file(path):
    path.write_bytes(b"PK\x03\x04 no array")


def changed(change):
    def damage(path):
        np.save(path, change(np.load(path)))

    return damage


DAMAGES = {
    "cut": cut,
    "empty": empty,
    "another file": other_file,
    "half": changed(lambda a: a[: len(a) // 2]),
    "in two dimensions": changed(lambda a: a[:, None]),
    "a number": changed(lambda a: np.float64(3)),
    "of another kind": changed(lambda a: np.arange(len(a)) > 2),
    "nothing": changed(lambda a: a[:0]),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    make(folder / "raw")
    return staged(folder)


@pytest.mark.parametrize("name", ["phone", "duration", "f0"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_array_is_made_again_and_said(kept, caplog, name, damage):
    features, utterance = kept.features, kept.everything()[0]
    _ = kept.card
    names = ["phone", "duration", "f0", "mel"]
    expected = {k: v.tolist() for k, v in features.raw(utterance, names).items()}
    DAMAGES[damage](features.path(name, utterance))
    with caplog.at_level("WARNING", "amphion"):
        found = features.raw(utterance, names)
    assert {k: v.tolist() for k, v in found.items()} == expected
    assert "again" in caplog.text and "u" in caplog.text
    assert np.load(features.path(name, utterance)).tolist() == expected[name]


@pytest.mark.parametrize(("name", "change"), [("f0", np.nan), ("f0", -100.0), ("f0", np.inf), ("duration", -2)])
def test_numbers_that_cannot_be_never_reach_training(kept, name, change):
    features, utterance = kept.features, kept.everything()[1]
    _ = kept.card
    expected = features.raw(utterance, [name])[name]
    wrong = expected.copy()
    wrong[1] = change
    np.save(features.path(name, utterance), wrong)
    np.testing.assert_array_equal(features.raw(utterance, [name])[name], expected)


def test_what_is_still_wrong_when_made_again_is_listed(tmp_path, monkeypatch):
    from processors.f0 import F0

    make(tmp_path / "raw", WORDS[:4])
    right = F0.__call__

    def wrong(self, utterance, audio):
        return right(self, utterance, audio) * (-1 if utterance.id == "u1" else 1)

    monkeypatch.setattr(F0, "__call__", wrong)
    made = staged(tmp_path)
    assert made.features.refused(made.corpus) == {"custom/u1": "custom/u1: f0 holds negative frequencies"}
    assert not made.features.path("f0", made.everything()[1]).exists() or "u1" not in {u.id for u in made.utterances("train")}


def test_what_was_learnt_while_processes_were_killed_is_learnt_again(tmp_path, monkeypatch):
    def killed(function, items, *, lost, **_):
        return [lost(items[0], "its process was killed"), *map(function, items[1:])]

    features = FeatureSet({"phone": {"g2p": "characters"}}, sample_rate=RATE, hop_size=256, store=tmp_path)
    utterances = [Utterance(text, "custom", text=text) for text in ("a", "b")]
    with monkeypatch.context() as patch:
        patch.setattr("processors.text.parallel", killed)
        features.fit(utterances, ["custom"])
    assert "a" not in features.features["phone"].table and features.learned(["custom"])["phone"]["lost"] == 1
    features.fit(utterances, ["custom"], jobs=1)
    assert {"a", "b"} <= set(features.features["phone"].table) and "lost" not in features.learned(["custom"])["phone"]


def test_a_typed_text_is_never_kept(tmp_path):
    features = FeatureSet({"phone": {}}, sample_rate=RATE, hop_size=256, store=tmp_path)
    said = [features.raw(Utterance("-", text=text), ["phone"])["phone"].tolist() for text in ("one", "two")]
    assert said[0] != said[1] and not list(tmp_path.rglob("*.npy"))


def test_manifests_of_before_still_read(tmp_path):
    make(tmp_path / "raw")
    staged(tmp_path)
    for path in (tmp_path / "data/custom").glob("*.jsonl"):
        path.write_text("".join(line.split(', "audio_digest"')[0] + "}\n" for line in path.read_text().splitlines()))
        assert all(u.audio and not u.audio_digest for u in read_manifest(path))
    extract(experiment(tmp_path), jobs=1)
    assert experiment(tmp_path).card["learned"]["duration"]["aligned"] == len(WORDS)
