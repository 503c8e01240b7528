"""Events: their line, plain sentences, the map of when they sound, and what is wrong with them."""

import numpy as np
import pytest

from preprocessors import demo_events
from preprocessors.base import Utterance
from processors.event_sentences import events_of
from utils.audio import Audio
from utils.events import Event, check, frequency_caption, line_of, onset_caption, parse

LINE = "dog_bark__1.0-1.5_3.0-3.6--rain__0.0-10.0"
EVENTS = [Event("rain", 0.0, 10.0), Event("dog_bark", 1.0, 1.5), Event("dog_bark", 3.0, 3.6)]
CLASSES = ("dog_bark", "rain", "bell_ring", "door_knock", "beep", "door_slam")
LENGTHS = {"dog_bark": 0.4, "rain": 2.0, "bell_ring": 0.8, "beep": 0.3}


def test_a_line_is_read_and_written():
    assert parse(LINE) == EVENTS
    assert line_of(parse(LINE)) == "rain__0.0-10.0--dog_bark__1.0-1.5_3.0-3.6"
    assert parse(" Dog Bark__1-1.25 -- rain__.5-2 ") == [Event("rain", 0.5, 2.0), Event("dog_bark", 1.0, 1.25)]
    assert onset_caption(EVENTS) == "rain at 0.0-10.0 and dog bark at 1.0-1.5, 3.0-3.6"
    assert frequency_caption(EVENTS) == "rain one time and dog bark two times"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dog_bark", "'dog_bark' names no class with its times"), ("", "'' names no class"), ("__1-2", "'__1-2' names no class"),
        ("rain__1-", "in 'rain__1-', '1-' is no time"), ("rain__2-1", "rain at 2-1 s does not end after it starts"),
        ("rain__1-1", "does not end after"), ("rain__-1-2", "'-1-2' is no time"), ("rain__0-2_1-3", "0-2 s and 1-3 s overlaps itself"),
        ("rain__0-1--rain__0.5-2", "overlaps itself"), ("rain__nan-2", "'nan-2' is no time"),
    ],
)  # fmt: skip
def test_what_is_no_line_of_events_is_named(line, said):
    with pytest.raises(ValueError, match=f"events: .*{said}"):
        parse(line)


def test_unknown_events_and_those_beyond_the_end_are_named():
    with pytest.raises(ValueError, match=r"unknown event 'dog_brk', did you mean 'dog_bark'\? Choices: beep, bell_ring"):
        check([Event("dog_brk", 0, 1)], CLASSES, 10)
    with pytest.raises(ValueError, match="rain at 0-10 s goes beyond the end of the clip, 5 s: move it, or ask for more"):
        check(EVENTS, CLASSES, 5)
    with pytest.raises(ValueError, match="there are none"):
        check([], CLASSES, 5)
    check(EVENTS, CLASSES, 10)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a dog barks twice, then rain for five seconds", "dog_bark__0.0-0.4_0.9-1.3--rain__1.8-6.8"),
        ("A dog barks twice while rain falls.", "dog_bark__0.0-0.4_0.9-1.3--rain__0.0-2.0"),
        ("Two beeps followed by barking", "beep__0.0-0.3_0.8-1.1--dog_bark__1.6-2.0"),
        ("rain throughout, a bell rings at 2 and 4.5 seconds", "rain__0.0-10.0--bell_ring__2.0-2.8_4.5-5.3"),
        ("dog bark at 1.0-1.5, 3.0-3.6 and rain at 0.0-10.0", LINE), ("2.5 s of rain after a bell", "bell_ring__0.0-0.8--rain__1.3-3.8"),
        ("someone knocks on a door between 1 and 1.5 s; rain from 2 to 4 seconds", "door_knock__1.0-1.5--rain__2.0-4.0"),
        ("beeping three times for 3 seconds", "beep__0.0-0.3_1.0-1.3_2.0-2.3"), ("rain before the bell", "rain__0.0-2.0--bell_ring__2.5-3.3"),
        ("rain and dog barking one time", "rain__0.0-2.0--dog_bark__2.5-2.9"),
        ("a dog barking in the rain", "dog_bark__0.0-0.4--rain__0.0-2.0"), ("one dog barks twice", "dog_bark__0.0-0.4_0.9-1.3"),
        ("a dog barks twice between 2 and 4 s", "dog_bark__2.0-2.4_3.0-3.4"), ("two beeps at 3 s", "beep__3.0-3.3_3.8-4.1"),
        ("two beeps throughout", "beep__0.0-0.3_5.0-5.3"), ("two beeps at 1 and 3 s", "beep__1.0-1.3_3.0-3.3"),
        ("rain for 0.1 minutes", "rain__0.0-6.0"), ("rain for 500 ms", "rain__0.0-0.5"), ("rain for a second", "rain__0.0-1.0"),
        ("rain from 0.05 to 0.1 minutes", "rain__3.0-6.0"), ("a bell at 500 and 2500 ms", "bell_ring__0.5-1.3_2.5-3.3"),
        ("rain, after a dog barks", "dog_bark__0.0-0.4--rain__0.9-2.9"), ("After a dog barks, rain", "dog_bark__0.0-0.4--rain__0.9-2.9"),
        ("Before rain, a dog barks", "dog_bark__0.0-0.4--rain__0.9-2.9"), ("rain before a dog barks", "rain__0.0-2.0--dog_bark__2.5-2.9"),
    ],
)  # fmt: skip
def test_a_plain_sentence_is_events(text, line):
    assert events_of(text, CLASSES, seconds=10, lengths=LENGTHS) == parse(line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a cat meows, then rain", "in 'a cat meows', unknown word 'cat'"), ("a dog berks", r"unknown word 'berks', did you mean 'bark'"),
        ("a door twice", "'a door 2 times' may mean door_knock, door_slam"), ("rain for ever", "'for'"), ("", "there are none"),
        ("rain, then something", "'something' names no event. Choices: beep"), ("rain 7", "'7' is neither a count"),
        ("a dog barks for 8 seconds, then rain for 5 s", r"takes 13.5 s, and the clip has 10 s"), ("a dog rings", "unknown|names no event"),
        ("rain at 3-2", "does not end after"), ("x" * 3000, "3000 characters"), ("dog barking 0 times", "there are none"),
        ("a dog barks 1000000000 times", "1000000000 times do not fit"), ("9999 beeps for 3 s", "9999 times do not fit"),
        ("thunder rain", "'thunder'"), ("dog bark rain", 'names dog_bark, rain: join them by "and" or "while"'),
        ("dog rain", "names rain, and 'dog' besides"), ("a dog barks -3 times", "'-3' has a sign"), ("rain for -5 seconds", "'-5' has a sign"),
        ("3 dogs bark 2 times", "two numbers of one thing, 2 and 3"), ("3 beeps at 1 and 2 s", "says 3 times, and when for 2"),
        ("rain for 2 s from 3 to 8 s", "how long and until when"), ("rain throughout at 2 s", "throughout and when"),
        ("rain at 1.2.3", "'1.2.3' is no time in seconds: write it like 1.5"), ("rain at 1..2", "'1..2' is no time"),
        ("rain for 2 minutes", "takes 120.0 s"), ("rain for a minute", "takes 60.0 s"), ("rain for 2", "'for': lengths and times are told"),
        ("a dog barks 2 seconds", "'seconds': lengths and times"), ("a dog barks 2.5 times", "2.5 times is no whole number"),
        ("rain for 1 s after", "'after': say what sounds in order of time"),
    ],
)  # fmt: skip
def test_a_sentence_that_is_not_understood_is_told_by_its_word(text, said):
    with pytest.raises(ValueError, match=said):
        events_of(text, CLASSES, seconds=10, lengths=LENGTHS)


def test_a_class_is_found_with_any_ending_capital_and_joining_word_in_it():
    classes = ("baby_cry", "Dog_Bark", "thunder_and_lightning", "thunder", "rain")
    for text, names in (
        ("a baby cries", ["baby_cry"]), ("babies crying", ["baby_cry"]), ("a dog barks", ["Dog_Bark"]),
        ("Thunder and lightning, then rain", ["thunder_and_lightning", "rain"]), ("thunder and rain", ["thunder", "rain"]),
    ):  # fmt: skip
        assert [event.name for event in events_of(text, classes, seconds=10)] == names


def test_the_captions_of_the_demo_corpus_are_understood(tmp_path):
    demo_events.make(tmp_path, clips=60)
    for clip in demo_events.utterances(tmp_path):
        events = parse(clip.events)
        understood = events_of(clip.text, demo_events.SOUNDS, seconds=20, lengths=dict.fromkeys(demo_events.SOUNDS, 0.5))
        assert sorted(event.name for event in understood) == sorted(event.name for event in events), clip.text
        if " at " in clip.text:
            assert understood == events
    assert np.isclose(clip.read().seconds, demo_events.SECONDS)


def feature(**settings):
    from processors.events import Events

    made = Events(sample_rate=16000, hop_size=640, frame_padding="same", **settings)
    clips = [Utterance(id=str(number), seconds=1.0, events=line) for number, line in enumerate(("rain__0.0-0.5", "beep__0.1-0.4_0.6-0.7"))]
    learned = made.fit([*clips, Utterance(id="bad", events="rain")], None, None, jobs=1, cluster="")
    made.restore(learned, None)
    return made, clips


def test_the_map_says_in_which_frames_a_class_sounds():
    made, clips = feature()
    assert made.facts == {"n_events": 2}
    assert made.lengths == {"beep": 0.2, "rain": 0.5}
    second = Audio(np.zeros(16000, dtype=np.float32), 16000)
    onsets = made(clips[1], second)
    assert onsets.shape == (25, 2)
    assert np.flatnonzero(onsets[:, 0]).tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 15, 16]
    assert not onsets[:, 1].any()
    assert made.onsets([Event("rain", 0.31, 0.32)], 25)[:, 1].sum() == 1, "a sound that is shorter than a frame"
    with pytest.raises(ValueError, match="it has no events"):
        made(Utterance(id="-"), second)
    with pytest.raises(ValueError, match="unknown event 'siren'"):
        made(Utterance(id="-", events="siren__0-1"), second)


def test_a_line_and_a_sentence_are_understood_alike():
    made, _ = feature(classes=("rain", "beep", "bell"))
    assert made.names == ["rain", "beep", "bell"]
    assert made.understood("two beeps", 2.0) == made.understood("beep__0.0-0.2_0.7-0.9", 2.0)
    with pytest.raises(ValueError, match="beyond the end of the clip, 2 s"):
        made.understood("beep__0.0-2.2", 2.0)
    for text in ("two beeps", "beep__0.0-0.2"):
        with pytest.raises(ValueError, match="seconds of a clip must be a finite number, got nan"):
            made.understood(text, float("nan"))
    capitals, _ = feature(classes=("Rain", "beep"))
    assert capitals.understood("Rain__0-1", 2.0) == capitals.understood("rain for 1 s", 2.0) == [Event("rain", 0, 1)]
    with pytest.raises(ValueError, match="no utterance of the corpus has any"):
        made.fit([Utterance(id="-")], None, None, jobs=1, cluster="")
