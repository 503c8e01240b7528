"""Loudness in LUFS, speech brought to one, and pauses that a user sets."""

import math

import numpy as np
import pytest

from models.tts.levels import SECONDS, levelled
from models.tts.speech import Speech
from processors.script import CLAUSE, Pauses, lines, stream
from tests.test_tts_task import drawn, releases, task, tasks  # noqa: F401 (fixtures)
from utils.audio import Audio
from utils.loudness import PEAK, at_loudness, check_loudness, loudness

RATE = 48000


def tone(seconds, peak=0.1, hertz=997.0):
    return Audio((peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32), RATE)


def test_a_tone_has_the_loudness_that_the_standard_gives_it():
    assert loudness(tone(3.0, peak=1.0)) == pytest.approx(-3.01, abs=0.05)  # ITU-R BS.1770-4: 997 Hz at full scale, one channel
    assert loudness(tone(3.0, peak=0.1)) == pytest.approx(-23.01, abs=0.05)
    assert loudness(tone(0.05, peak=0.1)) == pytest.approx(-23.0, abs=0.5), "shorter than a block"
    assert loudness(Audio(np.zeros(RATE, np.float32), RATE)) == loudness(Audio(np.zeros(0, np.float32), RATE)) == -math.inf


@pytest.mark.parametrize("wanted", [-30.0, -23.0, -16.0])
def test_a_sound_is_brought_to_a_loudness(wanted, caplog):
    assert loudness(at_loudness(tone(2.0, peak=0.02), wanted)) == pytest.approx(wanted, abs=0.1)
    assert not caplog.text
    silence = Audio(np.zeros(RATE, np.float32), RATE)
    assert not at_loudness(silence, wanted).samples.any()


def test_peaks_stay_within_full_scale_and_what_is_not_reached_is_said(caplog):
    samples = tone(2.0, peak=0.001).samples.copy()
    samples[RATE] = 0.5
    louder = at_loudness(Audio(samples, RATE), -16.0)
    assert np.abs(louder.samples).max() == pytest.approx(PEAK) and "as its peaks would be beyond full scale" in caplog.text


def test_a_stream_is_levelled_piece_by_piece():
    pieces = [Speech(tone(2.0, peak=peak)) for peak in (0.02, 0.1, 0.1)]
    levels = [loudness(piece.audio) for piece in levelled(pieces, -20.0)]
    assert levels[0] == pytest.approx(-20.0, abs=0.1), "the first by itself"
    assert -20.0 < levels[2] < levels[1] <= -15.5, "what was said before counts, and less the longer it goes on"
    steady = [loudness(piece.audio) for piece in levelled([Speech(tone(20.0))] * 3, -20.0)]
    assert steady == pytest.approx([-20.0] * 3, abs=0.1) and SECONDS < 60
    assert list(levelled(pieces, None)) == pieces


def test_a_text_is_said_at_a_loudness_with_the_pauses_that_are_asked_for(task):  # noqa: F811
    text = "Hello there. How are you?\n\nWell."
    plain = task(text, **drawn(task))
    slow = task(text, sentence_pause=1.0, paragraph_pause=2.0, **drawn(task))
    added = (1.0 - 0.2) + (2.0 - 0.6)
    assert len(slow.samples) - len(plain.samples) == pytest.approx(added * task.rate, abs=2)
    timed = task.timed(text, loudness=-35.0, **drawn(task))
    heard = math.isfinite(loudness(plain))  # an untrained network may whisper below all that is measured
    for said in (task(text, loudness=-35.0, **drawn(task)), timed.audio, next(task.stream(text, loudness=-35.0, **drawn(task)))):
        assert loudness(said) == (pytest.approx(-35.0, abs=0.2) if heard else -math.inf)
    assert len(timed.audio.samples) == len(plain.samples)


WRONG = {"loudness": [5.0, -90.0, math.nan], "sentence_pause": [-1.0, math.nan], "paragraph_pause": [1e9]}


@pytest.mark.parametrize("option, value", [(option, value) for option, values in WRONG.items() for value in values])
def test_what_is_no_loudness_or_pause_is_named(task, option, value):  # noqa: F811
    with pytest.raises(ValueError, match=f"{option}: .* to .*, .*got"):
        task("Hello.", **{option: value})


def test_pauses_of_sentences_and_paragraphs_are_set_and_those_of_clauses_and_tags_stay():
    long = ", ".join(["a long clause of many words that goes on and on"] * 12)
    text = f"One. Two.\n\nThree. [pause 0.3] Four. {long}. Five."
    usual, own = lines(text), list(stream([text], "en-us", Pauses(sentence=1.5, paragraph=3.0)))
    changed = {0.2: 1.5, 0.6: 3.0, 0.3: 0.3, CLAUSE: CLAUSE, 0.0: 0.0}
    assert [line.pause for line in own] == [changed[line.pause] for line in usual]
    assert {line.pause for line in usual} == set(changed)


def test_none_is_no_loudness_at_all():
    check_loudness(None)
