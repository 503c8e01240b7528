"""What comes along: small, whole, of nobody's disk; voices are understood by a recogniser that never heard them, a codec keeps the sound, and
an autoencoder the mel."""

import re

import numpy as np
import pytest
import torch

from evaluation.waveform import si_sdr
from models import load
from processors.mel import MelSettings, MelSpectrogram
from tests.conftest import ROOT
from utils.audio import Audio
from utils.files import read_json

FOLDERS = sorted(path.parent for path in (ROOT / "pretrained").glob("*/card.json"))
CODEC = ROOT / "pretrained" / "encodec_small"
SPECTRAL = ROOT / "pretrained" / "encodec_spectral"
AUTOENCODER = ROOT / "pretrained" / "autoencoder_sounds"
VOICES = [folder for folder in FOLDERS if folder not in (CODEC, SPECTRAL, AUTOENCODER)]
UNSEEN = (  # of no corpus that a voice here learnt from
    "The train to the city leaves at seven in the morning.",
    "She put the letter on the table and closed the door.",
    "There was a light in the window of the old house.",
    "We will have to wait until the rain is over.",
    "My brother works in a small shop near the river.",
)


def test_the_voice_of_the_demo_is_there():
    assert "vits_kathleen" in [folder.name for folder in VOICES]  # else what follows would be tried on nothing


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_comes_along_is_small_and_whole(folder):
    page, card = (folder / "README.md").read_text(encoding="utf-8"), (folder / "card.json").read_text(encoding="utf-8")
    assert re.findall("^## (.*)", page, re.M) == ["Metadata", "Datasets", "Training", "Results", "Usage", "Demo", "Licence", "Ethics"]
    assert not re.search(r'["\s(`]/\w+/', page + card), "a path of somebody's disk"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20e6
    assert sorted(folder.glob("samples/*.wav")) and f'load("pretrained/{folder.name}")' in page


@pytest.mark.parametrize("folder", VOICES, ids=lambda folder: folder.name)
def test_a_voice_is_kept_in_half_precision(folder):
    assert read_json(folder / "card.json")["parameters"] * 2 == pytest.approx((folder / "model.safetensors").stat().st_size, rel=0.05)


def test_the_codec_keeps_more_of_a_voice_with_every_bit():
    codec = load(CODEC, device="cpu")
    voice = Audio.read(sorted(VOICES[0].glob("samples/*.wav"))[0], codec.rate)
    kept = [si_sdr(voice, codec(voice, bandwidth=bandwidth)) for bandwidth in (1.5, 3, 6)]
    assert kept[0] > 0 and kept[0] + 1 < kept[1] < kept[2], kept


def test_the_codec_of_spectra_keeps_more_of_a_mel_with_every_bit():
    codec = load(SPECTRAL, device="cpu")
    voice = Audio.read(sorted(VOICES[0].glob("samples/*.wav"))[0], codec.rate)
    network = MelSpectrogram(MelSettings(sample_rate=codec.rate, hop_size=240))
    sounds = [voice, *(codec(voice, bandwidth=bandwidth) for bandwidth in (0.75, 1.5, 3, 6))]
    recorded, *coded = (network(torch.from_numpy(sound.samples)[None]) for sound in sounds)
    lost = [(mel - recorded).abs().mean().item() for mel in coded]
    assert lost == sorted(lost, reverse=True)
    assert lost[-1] < 0.3, f"{lost[-1]} nepers; 0.22 when it was made, 0.69 by encodec_small"


def test_the_autoencoder_keeps_a_mel_in_a_quarter_of_its_numbers(tmp_path):
    from preprocessors import demo_events

    coder = load(AUTOENCODER, device="cpu")
    demo_events.make(tmp_path, clips=2)
    for path in sorted(tmp_path.rglob("*.wav")):
        mel = coder.mel(Audio.read(path))
        latents = coder.encode(mel)
        assert 3.9 < mel.size / latents.mean.size < 4.1
        lost = np.abs(coder.decode(latents) - mel).mean()
        assert lost < 0.35, f"{lost} nepers; 0.23 over 60 such clips"


@pytest.mark.parametrize("folder", VOICES, ids=lambda folder: folder.name)
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
