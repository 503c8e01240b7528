"""Every convolutional vocoder of the table, random weights: in pieces, side by side and streamed it says what it says at once."""

import numpy as np
import pytest
import torch

from models import MODELS, VOCODER
from models.base.experiment import build_model
from models.base.task import make_task
from models.vocoders.stream import Latency, Stream, cut, in_windows, side_by_side, windows
from processors.features import FeatureSet
from tests.test_models import card_of
from utils.registry import load_object

OURS = {name: spec for name, spec in MODELS.items() if not name.startswith("Toy")}  # the trainer's tests add toys
VOCODERS = [name for name, spec in OURS.items() if spec.task == VOCODER and "audio" in load_object(spec.model).reads]
CONVOLUTIONAL = [name for name in VOCODERS if build_model(card_of(name)).receptive_field_frames is not None]
CLOSE = {"rtol": 0, "atol": 1e-5}
TASKS = {}


def vocoder(name):
    """The task around the model of a recipe's tiny twin, random weights, loud enough that a seam would be heard."""
    if name not in TASKS:
        torch.manual_seed(0)
        card = card_of(name)
        p = card["preprocess"]
        features = FeatureSet(p["features"], sample_rate=p["sample_rate"], hop_size=p["hop_size"])
        model = build_model(card)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(1.5)
        TASKS[name] = make_task(model, features, card, device="cpu")
    return TASKS[name]


def arrays(task, frames, seed=0):
    """What the model reads, for an utterance that never repeats."""
    random = np.random.default_rng(seed)
    found = {"mel": (random.standard_normal((frames, task.mel_settings.n_mel)) * 2 - 4).astype(np.float32)}
    if task.reads_f0:
        found["f0"] = np.where(np.arange(frames) % 17 < 12, random.uniform(90, 300, frames), 0).astype(np.float32)
    return found


def seeded(task):
    return {"seed": 7} if "seed" in task.options else {}


def same(made, whole):
    """Within 1e-5 of full scale, or of the loudest sample where random weights go beyond it."""
    np.testing.assert_allclose(made, whole, rtol=0, atol=1e-5 * max(1.0, np.abs(whole).max()))


def speak(task, given, **how):
    return task(given["mel"], f0=given.get("f0"), **seeded(task), **how).samples


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_in_pieces_is_at_once(name):
    task = vocoder(name)
    reach, frame = task.reach, task.hop_size / task.rate
    for frames, chunk in ((1, 1), (2 * reach + 1, 1), (3 * reach + 11, reach // 2 + 1), (4 * reach + 40, 3)):
        given = arrays(task, frames, frames)
        whole = speak(task, given, chunk_seconds=0)
        assert np.abs(whole).max() > 1e-4
        pieces = speak(task, given, chunk_seconds=chunk * frame)
        same(pieces, whole)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_streamed_is_at_once_however_the_pieces_come(name):
    task = vocoder(name)
    given = arrays(task, 2 * task.reach + 45)
    whole, frame = speak(task, given, chunk_seconds=0), task.hop_size / task.rate
    for lengths, chunk in (((1,) * 200, 4), ((7, 1, 30, 0, 200), 9), ((1000,), 16)):
        ends = np.cumsum((0, *lengths)).clip(max=len(given["mel"]))
        pieces = [tuple(x[a:b] for x in given.values()) for a, b in zip(ends, ends[1:], strict=False)]
        pieces = [p if task.reads_f0 else p[0] for p in pieces]
        made = list(task.stream(pieces, chunk_seconds=chunk * frame, **seeded(task)))
        assert len(made) > 1
        same(np.concatenate([audio.samples for audio in made]), whole)
        assert len(made[0].samples) == chunk * task.hop_size


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_no_click_at_the_seams(name):
    """The steps from sample to sample across seams are those of the whole, and no larger than elsewhere."""
    task = vocoder(name)
    given = arrays(task, 2 * task.reach + 60)
    whole = speak(task, given, chunk_seconds=0)
    pieces = speak(task, given, chunk_seconds=5 * task.hop_size / task.rate)
    steps, seams = np.abs(np.diff(pieces)), np.arange(5 * task.hop_size, len(pieces) - 1, task.hop_size) - 1
    same(pieces, whole)
    assert steps[seams].max() <= np.abs(np.diff(whole)).max() * 1.0001 + 1e-5


@pytest.mark.parametrize("name", VOCODERS)
def test_a_batch_of_unequal_lengths_is_one_by_one(name):
    task = vocoder(name)
    given = [arrays(task, frames, frames) for frames in ((3, 1, 5) if task.reach is None else (3, 31, 1, 31, 90))]
    f0 = [each["f0"] for each in given] if task.reads_f0 else None
    made = task.batch([each["mel"] for each in given], f0, chunk_seconds=None if task.reach is None else 0.1, **seeded(task))
    for audio, each in zip(made, given, strict=True):
        same(audio.samples, speak(task, each))


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_the_reach_is_no_less_than_what_a_frame_moves(name):
    task = vocoder(name)
    reach, given = task.reach, arrays(task, 4 * task.reach + 8)
    other = {key: value.copy() for key, value in given.items()}
    other["mel"][2 * reach] += 1
    moved = np.flatnonzero(speak(task, given, chunk_seconds=0) != speak(task, other, chunk_seconds=0)) // task.hop_size
    assert moved.min() >= reach and moved.max() <= 3 * reach


def test_windows_give_each_frame_once_and_are_of_one_length():
    for frames in range(1, 60):
        for chunk in (1, 2, 7, 100):
            for reach in (0, 1, 5):
                found = windows(frames, chunk, reach)
                assert [w.start for w in found] == [0, *(w.stop for w in found[:-1])] and found[-1].stop == frames
                assert len({w.last - w.first for w in found}) == 1 and found[0].last - found[0].first <= chunk + 2 * reach
                for w in found:
                    assert w.first == 0 or w.start - w.first >= reach
                    assert w.last == frames or w.last - w.stop == reach
    with pytest.raises(ValueError, match="one frame or more, got 0"):
        windows(5, 0, 1)


class Smoother:
    """A network whose samples are the mean of the frames around, so that the answer is known; it notes what it was given."""

    def __init__(self, reach=2, hop=3):
        self.reach, self.hop, self.longest, self.passes = reach, hop, 0, 0

    def __call__(self, mel, noise=None):
        self.longest, self.passes = max(self.longest, mel.shape[1]), self.passes + 1
        kernel = torch.full((1, 1, 2 * self.reach + 1), 1 / (2 * self.reach + 1))
        wave = torch.nn.functional.conv1d(mel.mean(2, keepdim=True).transpose(1, 2), kernel, padding=self.reach)[:, 0]
        wave = wave.repeat_interleave(self.hop, dim=1)
        return wave if noise is None else wave + noise.transpose(1, 2).reshape(wave.shape)


def test_what_runs_along_is_cut_along():
    mel, noise = torch.randn(1, 40, 4), torch.randn(1, 3, 40)
    network = Smoother()
    whole = network(mel, noise)
    joined = torch.cat(list(in_windows(network, {"mel": mel, "noise": noise}, hop_size=3, chunk=6, reach=2)), dim=1)
    torch.testing.assert_close(joined, whole, **CLOSE)
    with pytest.raises(ValueError, match=r"noise of shape \(1, 3, 41\).*40 frames"):
        cut({"mel": mel, "noise": torch.randn(1, 3, 41)}, 0, 5)


def test_too_short_a_reach_would_be_seen():
    """The equality above can fail: with one frame less of context it does."""
    mel, network = torch.randn(1, 40, 4), Smoother()
    joined = torch.cat(list(in_windows(network, {"mel": mel}, hop_size=3, chunk=6, reach=1)), dim=1)
    assert (joined - network(mel)).abs().max() > 1e-2


def test_memory_is_bounded():
    mel, network = torch.randn(1, 5000, 4), Smoother()
    stream = Stream(network, ({"mel": m} for m in mel.split(17, dim=1)), sample_rate=300, hop_size=3, chunk=50, reach=2)
    joined = torch.cat(list(stream), dim=1)
    assert network.longest <= 50 + 2 * 2 + 17
    torch.testing.assert_close(joined, network(mel), **CLOSE)


def test_windows_of_several_share_a_pass():
    network = Smoother()
    mels = [torch.randn(1, frames, 4) for frames in (30, 34, 41, 3)]
    made = side_by_side(network, [{"mel": m} for m in mels], hop_size=3, chunk=6, reach=2, at_once=8)
    assert network.passes <= 4
    for samples, mel in zip(made, mels, strict=True):
        torch.testing.assert_close(samples, network(mel)[0], **CLOSE)


def test_latency_is_said():
    stream = Stream(Smoother(), [{"mel": torch.randn(1, 30, 4)}], sample_rate=300, hop_size=3, chunk=10, reach=2)
    assert stream.latency is None
    next(iter(stream))
    assert stream.latency.chunk_ms == pytest.approx(100) and stream.latency.lookahead_ms == pytest.approx(20)
    assert stream.latency.compute_ms > 0
    assert str(Latency(100, 20, 3.25)) == "first sound after 123 ms: 100 ms of chunk and 20 ms of lookahead, and 3.2 ms of computing"


def test_streams_that_cannot_be():
    task = vocoder("HiFiGAN")
    with pytest.raises(ValueError, match="ended before its first frame"):
        list(task.stream([]))
    with pytest.raises(ValueError, match="80"):
        list(task.stream([np.zeros((5, 79), dtype=np.float32)]))
    with pytest.raises(ValueError, match="chunk_seconds must be"):
        list(task.stream([np.zeros((5, 80), dtype=np.float32)], chunk_seconds=-1))
    with pytest.raises(ValueError, match="bring the same"):
        pieces = [{"mel": torch.zeros(1, 2, 4)}, {"mel": torch.zeros(1, 2, 4), "noise": torch.zeros(1, 3, 2)}]
        list(Stream(Smoother(), pieces, sample_rate=300, hop_size=3, chunk=10, reach=2))


@pytest.mark.parametrize("name", sorted(set(VOCODERS) - set(CONVOLUTIONAL)))
def test_what_is_no_convolution_says_so(name):
    task = vocoder(name)
    assert "mel" in task.model.inputs()
    with pytest.raises(ValueError, match="cannot stream"):
        list(task.stream([arrays(task, 3)["mel"]]))
    with pytest.raises(ValueError, match="cannot be cut"):
        speak(task, arrays(task, 3), chunk_seconds=1.0)
