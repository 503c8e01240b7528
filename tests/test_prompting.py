"""Spoken prompts: what of a recording a model is given, which models want one, and the words for those that are no use."""

import numpy as np
import pytest
import torch
from torch import nn

from bins.infer import main
from models import SUPERVISED, Spec
from models import TTS as TASK
from models.base.checkpoint import save_release
from models.base.model import Model
from models.tts.prompting import LEVEL, LONGEST, SHORTEST, read_prompt
from models.tts.task import TTS
from preprocessors.base import Utterance
from processors.features import FeatureSet
from tests.test_tts_task import LETTERS
from utils.audio import Audio

RATE = 16000
HOP = 256


class Parrot(Model):
    """Says with each phone a frame of the mel of its prompt."""

    reads = ("phone", "mel")
    prompted_by = ("mel",)
    tables = {"symbols": "table.weight"}

    def __init__(self, *, n_vocab: int) -> None:
        super().__init__()
        self.table = nn.Embedding(n_vocab, 2)

    def infer(self, phone, prompt_mel, prompt_tokens=None):
        count = phone.shape[1]
        self.heard = {"phone": phone, "prompt_mel": prompt_mel, "prompt_tokens": prompt_tokens}
        return {"mel": prompt_mel[:, :1].expand(-1, count, -1), "duration": torch.ones(1, count, dtype=torch.long)}


class Reader(Parrot):
    """One that must know the words of its prompt, and tells no durations."""

    prompted_by = ("mel", "phone")
    tells_durations = False


def card(cls):
    features = {"phone": {"g2p": "characters"}, "mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}}
    return {
        "model_type": cls.__name__, "preprocess": {"sample_rate": RATE, "hop_size": HOP, "features": features},
        "model": {}, "facts": {"n_vocab": len(LETTERS)}, "learned": {"phone": {"symbols": LETTERS}}, "speakers": ["a"],
    }  # fmt: skip


def task_of(cls):
    own = card(cls)
    features = FeatureSet(own["preprocess"]["features"], sample_rate=RATE, hop_size=HOP)
    features.restore(own["learned"])
    task = TTS(cls(n_vocab=len(LETTERS)), features, own)
    task._vocode._ready[None] = lambda mel: Audio(np.full(len(mel) * HOP, 0.1), RATE)
    return task


def speech(seconds, rate=RATE, silence=0.0, level=0.3):
    """A hum of so many seconds, with silence on both sides."""
    t = np.arange(round(seconds * rate)) / rate
    sound = level * np.sin(2 * np.pi * 220 * t)
    around = np.zeros(round(silence * rate))
    return Audio(np.concatenate([around, sound, around]), rate)


def test_a_prompt_has_the_models_rate_no_silence_around_it_and_one_level(tmp_path):
    path = speech(2.0, 44100, silence=1.0, level=0.02).write(tmp_path / "voice.wav")
    prompt = read_prompt(path, RATE, " Hello. ")
    assert prompt.audio.rate == RATE and prompt.text == "Hello." and prompt.name == str(path)
    assert 2.15 < prompt.audio.seconds < 2.3
    assert abs(20 * np.log10(prompt.audio.peak) - LEVEL) < 0.01


@pytest.mark.parametrize(
    "audio, message",
    [
        (Audio(np.zeros(3 * RATE), RATE), r"voice.wav \(3.0 s\) is silent"),
        (speech(0.2), "voice.wav is 0.2 s long, which is too short"),
        (speech(0.2, silence=2.0), "voice.wav is 4.2 s long, 0.4 s without the silence around, which is too short"),
        (speech(40.0), "voice.wav is 40.0 s long, which is too long"),
    ],
)
def test_what_is_no_prompt_is_named_with_its_length_and_what_could_be_one(tmp_path, audio, message):
    path = audio.write(tmp_path / "voice.wav")
    with pytest.raises(ValueError, match=f"{message}.* 3 to 10 seconds of one voice are best, {SHORTEST:g} to {LONGEST:g} can be"):
        read_prompt(path, RATE)


def test_a_sound_from_python_is_checked_too():
    with pytest.raises(ValueError, match="the prompt holds NaN"):
        read_prompt(Audio(np.full(RATE * 3, np.nan), RATE), RATE)


def test_a_model_is_given_the_features_of_the_prompt():
    task = task_of(Parrot)
    audio = task("abc", prompt=speech(2.0, 48000))
    heard = task.network.heard
    assert heard["prompt_mel"].shape[2] == 20 and abs(heard["prompt_mel"].shape[1] - 2.0 * RATE / HOP) < 2
    assert heard["prompt_tokens"] is None and audio.seconds > 0


def test_what_is_said_in_the_prompt_stands_before_each_sentence():
    task = task_of(Reader)
    phone = task.features.features["phone"]
    pieces = list(task.stream("Say this. Say that.", prompt=speech(2.0), prompt_text="come in"))
    heard = task.network.heard
    tokens = [phone.table[number] for number in heard["phone"][0].tolist()]
    assert len(pieces) == 2 and tokens == ["sil", *"come_in_say_that.", "sil"]
    assert int(heard["prompt_tokens"]) == len("come_in") + 1


def test_an_utterance_is_said_from_how_its_recording_begins(tmp_path):
    task = task_of(Parrot)
    path = speech(5.0).write(tmp_path / "a.wav")
    sample = task.sample(Utterance("a", "custom", audio=str(path), seconds=5.0, text="abc", speaker="x"))
    assert abs(task.network.heard["prompt_mel"].shape[1] - 2.5 * RATE / HOP) < 2 and sample.audio.seconds > 0


def test_each_model_says_what_it_misses_or_cannot_use():
    told = speech(2.0)
    with pytest.raises(ValueError, match="prompt: Parrot speaks in the voice of a recording, and none is given: .* 3 to 10 seconds"):
        task_of(Parrot)("abc")
    with pytest.raises(ValueError, match="prompt_text: Reader must know what is said in the prompt"):
        task_of(Reader)("abc", prompt=told)
    with pytest.raises(ValueError, match="prompt_text: 'abc' is said in no recording"):
        task_of(Parrot)("abc", prompt_text="abc")
    with pytest.raises(ValueError, match="Reader does not tell how long its phones last"):
        task_of(Reader).timed("abc", prompt=told, prompt_text="abc")


class Plain(Parrot):
    """A model of trained voices."""

    prompted_by = ()

    def infer(self, phone, speaker):
        raise AssertionError("it must not get so far")


def test_a_model_of_trained_voices_wants_no_prompt():
    task = task_of(Plain)
    with pytest.raises(ValueError, match="prompt: Plain speaks in the voices that it was trained on, leave it out"):
        task("abc", prompt=speech(2.0))
    with pytest.raises(ValueError, match="prompt: Plain speaks in the voices"):
        task.sample(Utterance("a", "custom", text="abc"), prompt=speech(2.0))


def test_the_program_speaks_by_a_prompt(tmp_path, monkeypatch, capsys):
    import models

    monkeypatch.setitem(models.MODELS, "Reader", Spec(TASK, f"{__name__}:Reader", SUPERVISED))
    torch.manual_seed(0)
    save_release(tmp_path / "reader", card(Reader), Reader(n_vocab=len(LETTERS)).state_dict())
    voice = speech(2.0).write(tmp_path / "voice.wav")
    words = ["--checkpoint", str(tmp_path / "reader"), "--text", "abc", "--out", str(tmp_path / "out")]
    assert main([*words, "--prompt", str(voice), "--prompt_text", "hello"]) == 0
    assert Audio.read(tmp_path / "out/0000.wav").seconds > 0
    with pytest.raises(ValueError, match="prompt_text"):
        main([*words, "--prompt", str(voice)])
