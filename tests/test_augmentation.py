"""Changed copies of training utterances: what a change does, what its name says, and that their features are their own."""

import numpy as np
import pytest

from models.base.experiment import Experiment
from models.base.splits import divide, speaker_name
from preprocessors.augmentation import Augmentation, augment, neighbour
from preprocessors.base import Utterance, changed, prepare, read_manifest, write_manifest
from tests.conftest import RATE, clip, toy_config
from utils.audio import Audio
from utils.changes import KINDS, apply, biquad
from utils.textgrid import read_textgrid, write_textgrid

ALL = {"pitch": (-6, 6), "formant": (0.8, 1.25), "tempo": (0.8, 0.9), "equaliser": 12}


@pytest.fixture(scope="module")
def voice():
    """Two seconds of a voice: pulses 125 times a second through two resonances."""
    from scipy.signal import lfilter

    pulses = np.zeros(2 * RATE)
    pulses[:: RATE // 125] = 1
    for frequency, width in ((700, 90), (1600, 120)):
        pole = np.exp((-np.pi * width + 2j * np.pi * frequency) / RATE)
        pulses = lfilter([1], np.poly([pole, pole.conj()]).real, pulses)
    return Audio(0.3 * pulses / np.abs(pulses).max(), RATE)


def pitch_of(audio):
    import parselmouth

    found = parselmouth.Sound(audio.samples.astype(np.float64), audio.rate).to_pitch_ac(pitch_floor=60, pitch_ceiling=600)
    heard = found.selected_array["frequency"]
    return float(np.median(heard[heard > 0]))


def formant_of(audio):
    import parselmouth

    found = parselmouth.Sound(audio.samples.astype(np.float64), audio.rate).to_formant_burg(maximum_formant=5000)
    return float(np.median([found.get_value_at_time(1, time) for time in np.arange(0.3, audio.seconds - 0.3, 0.05)]))


def level_db(audio, low, high):
    power = np.abs(np.fft.rfft(audio.samples)) ** 2
    frequencies = np.fft.rfftfreq(len(audio.samples), 1 / audio.rate)
    return 10 * np.log10(power[(frequencies >= low) & (frequencies < high)].sum())


@pytest.mark.parametrize("semitones", [-7, 5])
def test_pitch_moves_and_formants_stay(voice, semitones):
    moved = apply(voice, f"pitch {semitones}")
    assert 12 * np.log2(pitch_of(moved) / pitch_of(voice)) == pytest.approx(semitones, abs=0.1)
    assert formant_of(moved) == pytest.approx(formant_of(voice), rel=0.08)
    assert len(moved.samples) == len(voice.samples)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_formants_move_and_pitch_stays(voice, factor):
    moved = apply(voice, f"formant {factor}")
    assert formant_of(moved) / formant_of(voice) == pytest.approx(factor, rel=0.08)
    assert pitch_of(moved) == pytest.approx(pitch_of(voice), rel=0.01)
    assert len(moved.samples) == len(voice.samples)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_tempo_changes_the_length_alone(voice, factor):
    moved = apply(voice, f"tempo {factor}")
    assert moved.seconds == pytest.approx(voice.seconds / factor, abs=0.02)
    assert pitch_of(moved) == pytest.approx(pitch_of(voice), rel=0.01)
    assert formant_of(moved) == pytest.approx(formant_of(voice), rel=0.05)


def test_the_equaliser_is_drawn_by_its_seed_and_keeps_within_its_range():
    noise = Audio(0.05 * np.random.default_rng(0).standard_normal(4 * RATE), RATE)
    first = apply(noise, "equaliser 6 1")
    assert (first.samples == apply(noise, "equaliser 6 1").samples).all()
    assert (first.samples != apply(noise, "equaliser 6 2").samples).any()
    bands = np.linspace(100, 7500, 40)
    gains = [level_db(first, low, low + 185) - level_db(noise, low, low + 185) for low in bands]
    assert max(gains) - min(gains) > 3
    assert len(first.samples) == len(noise.samples)


@pytest.mark.parametrize(("shape", "expected"), [("low", (6, 3, 0)), ("peak", (0, 6, 0)), ("high", (0, 3, 6))])
def test_a_band_raises_what_it_says(shape, expected):
    from scipy.signal import sosfreqz

    _, response = sosfreqz([biquad(shape, 2000, 3.0, 6.0, 24000)], worN=[20, 2000, 11900], fs=24000)
    assert 20 * np.log10(np.abs(response)) == pytest.approx(expected, abs=0.1)


def test_what_would_go_beyond_full_scale_is_softer(voice):
    loud = Audio(voice.samples / voice.peak, RATE)
    peaks = [apply(loud, f"equaliser 12 {seed}").peak for seed in range(4)]
    assert max(peaks) == pytest.approx(0.99, abs=1e-4)


def test_what_cannot_be_changed_is_named(voice):
    with pytest.raises(ValueError, match="no change 'echo 3': there are pitch"):
        apply(voice, "echo 3")
    hiss = Audio(0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    with pytest.raises(ValueError, match="no voice is found"):
        apply(hiss, "pitch 3")
    with pytest.raises(ValueError, match="Praat's 'Change gender' fails on 0.01 s"):
        apply(Audio(voice.samples[:160], RATE), "formant 1.2")


@pytest.mark.parametrize("wrong", [{"pitch": (3, -3)}, {"tempo": (0.1, 1)}, {"equaliser": 0}, {"share": 1.5}, {"formant": (0.9, 3)}])
def test_a_range_that_cannot_be_is_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"preprocess.augment.{name} is"):
        Augmentation(**wrong)


def test_draws_are_within_their_range_and_of_the_seed():
    settings = Augmentation(pitch=(-12, 12), formant=(0.5, 2.0), share=0.5)
    drawn = [settings.draw("pitch", f"u{i}") for i in range(400)]
    values = [float(change.split()[1]) for change in drawn if change]
    assert 150 < len(values) < 250
    assert -12 <= min(values) < -9 and 9 < max(values) <= 12
    assert drawn == [settings.draw("pitch", f"u{i}") for i in range(400)]
    assert drawn != [Augmentation(pitch=(-12, 12), share=0.5, seed=1).draw("pitch", f"u{i}") for i in range(400)]
    formants = [float(change.split()[1]) for i in range(400) if (change := settings.draw("formant", f"u{i}"))]
    assert np.mean(np.array(formants) < 1) == pytest.approx(0.5, abs=0.1)
    assert settings.kinds == ["pitch", "formant"]


@pytest.fixture
def corpus(tmp_path, voice):
    """Three utterances of one voice, with phone times and texts; prepared."""
    for number in range(3):
        rolled = np.roll(voice.samples, 40 * number)
        Audio(rolled, RATE).write(tmp_path / f"raw/ann/a{number}.wav")
        (tmp_path / f"raw/ann/a{number}.txt").write_text("hello")
        write_textgrid(tmp_path / f"raw/ann/a{number}.TextGrid", {"phones": [("HH", 0, 0.5), ("OW", 0.5, 2)], "words": [("hello", 0, 2)]})
    Audio(clip(0.02, 150, 1), RATE).write(tmp_path / "raw/ann/tiny.wav")
    prepare("custom", tmp_path / "raw", tmp_path / "data", jobs=1)
    return tmp_path


def configured(folder, **augmentation):
    return toy_config(folder, dataset_path={"custom": str(folder / "raw")}, preprocess={"augment": augmentation})


def test_manifests_of_copies_name_the_change_and_keep_what_stays(corpus):
    counts = augment("custom", corpus / "data", Augmentation(**ALL), jobs=1)
    assert counts == {neighbour("custom", kind): 3 if kind != "equaliser" else 4 for kind in KINDS}
    originals = {row.id: row for row in read_manifest(corpus / "data/custom/train.jsonl")}
    for kind in KINDS:
        rows = read_manifest(corpus / f"data/custom.{kind}/train.jsonl")
        for row in rows:
            original = originals[row.id]
            assert row.dataset == f"custom.{kind}" and row.change.startswith(f"{kind} ")
            assert (row.text, row.speaker, row.language) == (original.text, original.speaker, original.language)
            assert row.audio_digest != original.audio_digest and changed(row) == ""
            made = apply(original.read(), row.change)
            assert row.read().samples == pytest.approx(made.samples, abs=2 / 32768)
    skipped = (corpus / "data/custom.pitch/report.json").read_text()
    assert "ann_tiny" in skipped


def test_a_change_of_tempo_changes_durations_and_phone_times(corpus):
    augment("custom", corpus / "data", Augmentation(tempo=(0.8, 0.8), pitch=(3, 3)), jobs=1)
    for row in read_manifest(corpus / "data/custom.tempo/train.jsonl"):
        assert row.seconds == pytest.approx(2 / 0.8, abs=0.02)
        assert read_textgrid(row.textgrid) == [("HH", 0, 0.625), ("OW", 0.625, 2.5)]
        assert read_textgrid(row.textgrid, "words") == [("hello", 0, 2.5)]
    for row in read_manifest(corpus / "data/custom.pitch/train.jsonl"):
        assert row.seconds == pytest.approx(2) and row.textgrid.endswith(f"{row.id.removeprefix('ann_')}.TextGrid")


def test_sounds_are_made_once_and_follow_a_corrected_recording(corpus):
    settings = Augmentation(formant=(1.2, 1.2))
    augment("custom", corpus / "data", settings, jobs=1)
    folder = corpus / "data/custom.formant/sounds"
    first = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    augment("custom", corpus / "data", settings, jobs=1)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == first
    louder = Audio.read(corpus / "raw/ann/a0.wav").samples * 0.5
    Audio(louder, RATE).write(corpus / "raw/ann/a0.wav")
    prepare("custom", corpus / "raw", corpus / "data", jobs=1)
    augment("custom", corpus / "data", settings, jobs=1)
    second = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(second) == len(first) and len(first.items() - second.items()) == 1


def test_a_section_of_a_song_is_changed_and_not_the_song(corpus):
    row = read_manifest(corpus / "data/custom/train.jsonl")[0]
    section = Utterance("s", "custom", "ann", row.audio, 0.5, start=0.25, audio_digest="x")
    write_manifest(corpus / "data/custom/train.jsonl", [section])
    augment("custom", corpus / "data", Augmentation(formant=(1.2, 1.2)), jobs=1)
    (copy,) = read_manifest(corpus / "data/custom.formant/train.jsonl")
    assert copy.start is None and copy.seconds == pytest.approx(0.5)


def test_features_of_a_copy_are_its_own(corpus):
    """From the config to arrays: a copy never meets the array of its original, and the model is told more voices."""
    from bins.extract import extract
    from bins.preprocess import main

    path = configured(corpus, pitch=[4, 4], tempo=[0.8, 0.8])
    assert main(["--config", str(path), "--jobs", "1"]) == 0
    experiment = Experiment.read(path)
    extract(experiment, jobs=1)
    train = {f"{row.dataset}/{row.id}": row for row in experiment.utterances("train")}
    original, pitch, tempo = (train[f"{dataset}/ann_a0"] for dataset in ("custom", "custom.pitch", "custom.tempo"))
    mels = [experiment.features(row, ["mel"])["mel"] for row in (original, pitch, tempo)]
    assert len(mels[0]) == len(mels[1]) and np.abs(mels[0] - mels[1]).mean() > 0.1
    assert len(mels[2]) == pytest.approx(len(mels[0]) / 0.8, abs=2)
    paths = {experiment.features.path("mel", row) for row in (original, pitch, tempo)}
    assert len(paths) == 3 and len({path.name for path in paths}) == 3
    assert experiment.speakers == ["custom.pitch_ann", "custom_ann"]
    assert "augment" not in experiment.card["preprocess"]
    plain = Experiment.read(toy_config(corpus))
    assert {row.dataset for row in plain.utterances("train")} == {"custom"}


def test_copies_of_what_validates_do_not_train():
    rows = [Utterance(f"u{i}", "custom", "ann", f"/a/{i}.wav", 1.0) for i in range(40)]
    copies = [Utterance(f"u{i}", "custom.tempo", "ann", f"/t/{i}.wav", 1.0, change="tempo 0.9") for i in range(40)]
    copies += [Utterance("u1", "custom.pitch", "ann", "/p/1.wav", 1.0, change="pitch 3")]
    splits = {"train": rows, "valid": [], "test": []}
    made = divide(splits, {"custom_ann"}, copies).splits
    held = {row.id for row in made["valid"]}
    trained = list(made["train"])
    assert len(held) == 2 and {row.dataset for row in made["valid"]} == {"custom"}
    assert len(trained) == 2 * 38 and not held & {row.id for row in trained}
    assert {row.dataset for row in trained} == {"custom", "custom.tempo"}  # the voice custom.pitch_ann is not known
    assert speaker_name(copies[0]) == "custom_ann" and speaker_name(copies[-1]) == "custom.pitch_ann"


def test_copies_that_are_not_there_are_asked_for(corpus):
    experiment = Experiment.read(configured(corpus, formant=[0.9, 1.1]))
    with pytest.raises(ValueError, match=r"no manifest .*custom.formant/train.jsonl: run the preprocess stage first"):
        experiment.everything()
