"""Hypotheses chosen by a recogniser: the fewest wrong words, then the likeliest; and when there is nothing to choose."""

import numpy as np
import pytest
import torch

from models.base.model import Model
from models.tts import recognising
from models.tts.recognising import Recogniser, check_recogniser, word_errors
from tests.test_valle import prompts, texts, valle
from utils.audio import Audio

HEARD = {1: "the cat sat", 2: "The cat, sat!", 3: "the bat sat", 4: "a dog", 5: "a frog"}


@pytest.fixture
def recogniser(monkeypatch):
    """Hears in a sound the words of its first sample."""
    monkeypatch.setattr(recognising.pretrained, "find", lambda source, name: name)
    monkeypatch.setattr(recognising, "transcript", lambda audio, **how: HEARD[round(float(audio.samples[0]))])
    return Recogniser("tiny", "cmn", lambda codes: Audio(codes[:, 0].astype(np.float32), 16000), "cpu")


def test_the_fewest_wrong_words_are_said_and_the_likeliest_of_these(recogniser):
    first = torch.tensor([3, 1, 2, 5, 5, 4])
    codes = first[:, None, None].repeat(1, 4, 2)
    likelihood = torch.tensor([-0.1, -0.9, -0.5, -0.1, -0.2, -3.0])
    frames = torch.tensor([1, 2, 3, 4, 1, 2])
    best = recogniser.best(["The cat sat.", "A dog."], {"codes": codes, "frames": frames, "likelihood": likelihood})
    assert best["codes"][:, 0, 0].tolist() == [2, 4]
    assert best["frames"].tolist() == [3, 2]
    assert recogniser.language == "zh"


def test_words_are_compared_without_case_and_marks():
    assert word_errors("Don't stop, please.", "don't STOP please") == 0
    assert word_errors("one two three four", "one too four") == 0.5
    assert word_errors("", "noise") == 1


def test_all_hypotheses_are_there_to_choose_from():
    model = valle()
    phone, tokens = texts(3, 5)
    codes, _ = prompts(4)
    best = model.infer(phone, codes, tokens=tokens, seed=3, hypotheses=4)
    every = model.several(phone, codes, tokens=tokens, seed=3, hypotheses=4)
    likelihood = every["likelihood"].view(2, 4)
    assert torch.equal(likelihood.amax(1), best["likelihood"])
    row = 4 + int(likelihood[1].argmax())
    count = int(best["frames"][1])
    assert torch.equal(every["codes"][row, :count], best["codes"][1, :count])
    assert int(every["frames"][row]) == count


def test_where_there_is_nothing_to_choose_it_is_said():
    model = valle()
    check_recogniser(None, model, {}, compiled=True)
    with pytest.raises(ValueError, match="set hypotheses to 2 or more"):
        check_recogniser("tiny.en", model, {}, compiled=False)
    with pytest.raises(ValueError, match="leave out compile, or recogniser"):
        check_recogniser("tiny.en", model, {"hypotheses": 2}, compiled=True)
    with pytest.raises(ValueError, match="nothing to choose"):
        check_recogniser("tiny.en", Model(), {"hypotheses": 2}, compiled=False)
    with pytest.raises(ValueError, match=r"nowhere\.pt"):
        check_recogniser("nowhere.pt", model, {"hypotheses": 2}, compiled=False)
