"""The voices that come along: small, whole, of nobody's disk, and understood by a recogniser that never heard them."""

import re

import numpy as np
import pytest

from models import load
from tests.conftest import ROOT
from utils.files import read_json

FOLDERS = sorted(path.parent for path in (ROOT / "pretrained").glob("*/card.json"))
UNSEEN = (  # of no corpus that a voice here learnt from
    "The train to the city leaves at seven in the morning.",
    "She put the letter on the table and closed the door.",
    "There was a light in the window of the old house.",
    "We will have to wait until the rain is over.",
    "My brother works in a small shop near the river.",
)


def test_the_voice_of_the_demo_is_there():
    assert "vits_kathleen" in [folder.name for folder in FOLDERS]  # else what follows would be tried on nothing


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_voice_is_small_and_whole(folder):
    page, card = (folder / "README.md").read_text(encoding="utf-8"), (folder / "card.json").read_text(encoding="utf-8")
    assert re.findall("^## (.*)", page, re.M) == ["Metadata", "Datasets", "Training", "Results", "Usage", "Demo", "Licence", "Ethics"]
    assert not re.search(r'["\s(`]/\w+/', page + card), "a path of somebody's disk"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20e6
    assert sorted(folder.glob("samples/*.wav")) and f'load("pretrained/{folder.name}")' in page
    assert read_json(folder / "card.json")["parameters"] * 2 == pytest.approx((folder / "model.safetensors").stat().st_size, rel=0.05)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_voice_is_understood(folder):
    pytest.importorskip("pocketsphinx")
    from tests.intelligibility import error_rate

    tts = load(folder, device="cpu")
    sounds = [tts(text, noise_scale=0.4, seed=1) for text in UNSEEN]
    assert all(1.0 < sound.seconds < 8 and np.abs(sound.samples).max() <= 1 for sound in sounds)
    wrong = error_rate(list(UNSEEN), sounds)
    assert wrong < 0.6, f"{wrong:.0%} of the words are not understood"
    shuffled = error_rate([*UNSEEN[1:], UNSEEN[0]], sounds)
    assert shuffled > wrong + 0.3, "the recogniser hears these words in anything"
