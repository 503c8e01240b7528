"""Whisper itself (tiny.en) as a content feature: as the package has it, batch or not, in pieces, and where the sound is."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from preprocessors.base import Utterance
from processors.features import FeatureSet
from processors.whisper import Whisper
from tests.conftest import SHARED
from utils import pretrained
from utils.audio import Audio

RATE = 16000
TOOL = SHARED / "tools/real_models.py"
WEIGHTS = Path(os.environ.get("AMPHION_WEIGHTS", "~/.cache/amphion-weights")).expanduser()
VOICE = sorted((SHARED / "data/kathleen/wavs").glob("*.flac"))[:25]

pytestmark = pytest.mark.skipif(not VOICE or not TOOL.is_file(), reason=f"no real recordings or weights at {SHARED}")


@pytest.fixture(scope="module")
def weights():
    """The folder of tiny.en in both formats; whoever comes first has it made."""
    pytest.importorskip("whisper")
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    with open(WEIGHTS / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run([sys.executable, str(TOOL), "whisper"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no Whisper: {made.stderr.strip()}")
    yield WEIGHTS
    pretrained.forget()


@pytest.fixture(scope="module")
def voice():
    """75 s of a voice, (samples,)."""
    recordings = [Audio.read(path, RATE).samples for path in VOICE]
    return np.concatenate(recordings)[: 75 * RATE]


@pytest.fixture(scope="module")
def content(weights):
    return Whisper(model=str(weights / "tiny.en.pt"))


@pytest.fixture(scope="module")
def whole(content, voice):
    """All 75 s, (frames, channels)."""
    return frames_of(content, voice)


def frames_of(content, samples):
    return content(None, Audio(samples, RATE))


def apart(array, reference):
    """How far `array` is from `reference`, as a share of it."""
    return float(np.linalg.norm(array - reference) / np.linalg.norm(reference))


def test_thirty_seconds_are_as_the_packages_own(content, weights, voice):
    import whisper

    model = pretrained.whisper(str(weights / "tiny.en.pt"), "cpu")
    samples = voice[: 30 * RATE]
    mel = whisper.log_mel_spectrogram(samples)
    with torch.inference_mode():
        expected = model.embed_audio(mel[None])[0].numpy()
    found = frames_of(content, samples)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert content.channels == found.shape[1] == 384


def test_both_formats_say_the_same(content, weights, voice):
    samples = voice[: 4 * RATE]
    other = Whisper(model=str(weights / "whisper-tiny.en"))
    np.testing.assert_allclose(frames_of(other, samples), frames_of(content, samples), atol=1e-4)


def test_in_a_batch_each_is_as_alone_also_beside_one_that_is_louder(content, voice):
    loud = voice[: 5 * RATE]
    faint = voice[9 * RATE : 12 * RATE] * 0.01
    audios = [Audio(loud, RATE), Audio(faint, RATE)]
    first, second = content.compute([None, None], audios, "cpu")
    np.testing.assert_allclose(first, frames_of(content, loud), atol=1e-5)
    np.testing.assert_allclose(second, frames_of(content, faint), atol=1e-5)
    assert len(first) == 250
    assert len(second) == 150


@pytest.mark.parametrize(("begin", "end"), [(0, 30), (0, 61), (20, 50), (20, 75), (40, 70)])
def test_75_seconds_in_pieces_agree_with_any_cut_that_begins_where_a_piece_does(content, voice, whole, begin, end):
    """In the middle of each piece that the cut holds whole they are equal. At the cut's own edges, where the whole takes another
    piece, they are 70 to 85 % apart: there the same sound stands elsewhere in the window."""
    cut = frames_of(content, voice[begin * RATE : end * RATE])
    for start in (0, 20, 40):
        if not begin <= start <= end - 30:
            continue
        first = 50 * (start + 10)
        last = 50 * (start + 20)
        shift = 50 * begin
        inside = cut[first - shift : last - shift]
        assert apart(inside, whole[first:last]) < 0.05


@pytest.mark.parametrize("end", [40, 47])
def test_a_cut_within_a_piece_changes_what_comes_before_it_a_little(content, voice, whole, end):
    """7 to 9 % in the middle, where silence stands for what followed: the network hears thirty seconds at once."""
    cut = frames_of(content, voice[20 * RATE : end * RATE])
    inside = cut[10 * 50 : 15 * 50]
    assert apart(inside, whole[30 * 50 : 35 * 50]) < 0.15


def test_a_piece_that_begins_elsewhere_says_something_else(content, voice, whole):
    """Which is why all sounds are placed alike."""
    cut = frames_of(content, voice[21 * RATE : 51 * RATE])
    assert apart(cut[10 * 50 : 15 * 50], whole[31 * 50 : 36 * 50]) > 0.4


CLICKS = 0.7 + 0.433 * np.arange(16)  # seconds, at all places within a frame


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A soft hiss at 44.1 kHz, with clicks of a millisecond and without."""
    folder = tmp_path_factory.mktemp("clicks")
    rate = 44100
    random = np.random.default_rng(0)
    hiss = 0.05 * random.standard_normal(8 * rate)
    clicks = hiss.copy()
    width = rate // 1000
    for moment in CLICKS:
        first = round((moment - 0.0005) * rate)
        clicks[first : first + width] += 0.2 * random.standard_normal(width)
    found = []
    for name, samples in {"clicks": clicks, "hiss": hiss}.items():
        path = Audio(samples, rate).write(folder / f"{name}.wav")
        found.append(Utterance(name, "custom", "ann", str(path), 8.0))
    return folder, found


@pytest.mark.parametrize("hop_size", [256, 512])
@pytest.mark.parametrize("sample_rate", [24000, 44100])
def test_frames_stand_where_the_sound_is(weights, recordings, sample_rate, hop_size):
    """The middle of what a click changes is where the click is: to half a frame of the mel, and to half of Whisper's most of the time."""
    folder, (clicks, hiss) = recordings
    settings = {"mel": {}, "whisper": {"model": str(weights / "tiny.en.pt")}}
    features = FeatureSet(settings, sample_rate=sample_rate, hop_size=hop_size, store=folder / "data")
    with_clicks = features(clicks)["whisper"]
    without = features(hiss)["whisper"]
    change = np.linalg.norm(with_clicks - without, axis=1)
    off = []
    period = hop_size / sample_rate
    around = round(0.06 / period)
    for moment in CLICKS:
        centre = moment / period - 0.5
        nearest = round(centre)
        near = np.arange(nearest - around, nearest + around + 1)
        middle = np.average(near, weights=change[near] ** 4)
        off.append((middle - centre) * period)
    on_average = abs(np.mean(off))
    assert on_average < period / 2
    assert np.median(np.abs(off)) < 0.01
