"""RVC's options: its index, what is protected from it, and the rumble that it does not hear."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import signal

from models.base.choices import chosen
from models.base.experiment import build_model
from models.svc.rvc import RVC
from models.svc.task import SVC
from processors import retrieval
from processors.f0 import F0
from processors.features import FeatureSet
from tests import svc
from tests.test_models import card_of
from utils.audio import Audio

WIDTH = sum(svc.CHANNELS.values())


@pytest.fixture
def index(tmp_path):
    """Writes an index as RVC does, of cells of which one is looked through, and returns its file."""
    faiss = pytest.importorskip("faiss", reason="no faiss: pip install -e '.[svc]'")

    def write(frames, name="added_IVF2_Flat_nprobe_1_ann_v2.index", held=None):
        searcher = faiss.index_factory(frames.shape[1], "IVF2,Flat")
        searcher.train(frames)
        faiss.extract_index_ivf(searcher).nprobe = 1
        searcher.add(frames[:held])
        path = tmp_path / name
        faiss.write_index(searcher, str(path))
        return str(path)

    return write


def cloud(count, width=WIDTH, seed=0):
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def test_what_is_nearest_counts_by_the_square_of_its_distance(index):
    frames = np.concatenate([cloud(100), cloud(100, seed=1) + 50])
    queries = cloud(1500, seed=2)
    found = retrieval.read(index(frames)).nearest(queries)
    distances = np.square(queries[:, None] - frames[None, :100]).sum(2)  # the other cell is far away
    rows = np.argsort(distances, 1)[:, :8]
    nearest = np.take_along_axis(distances, rows, 1)
    weights = 1 / np.square(nearest)
    weights = weights[..., None]
    total = weights.sum(1)
    weighted = weights * frames[rows]
    expected = weighted.sum(1) / total
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_a_frame_of_the_voice_itself_stays_and_few_frames_are_enough(index):
    frames = np.concatenate([cloud(40), cloud(3, seed=1) + 50])
    found = retrieval.read(index(frames)).nearest(frames)
    np.testing.assert_allclose(found, frames, atol=1e-4)


def test_a_frame_that_has_none_near_it_stays(index):
    far = cloud(40, seed=1) + 50
    frames = np.concatenate([cloud(40), far])
    found = retrieval.read(index(frames, held=40)).nearest(far)
    np.testing.assert_array_equal(found, far)


def test_consonants_are_protected_and_a_voice_without_an_index_is_as_before(index):
    torch.manual_seed(0)
    model = build_model(card_of("RVC")).eval()
    contents = {name: torch.randn(1, 12, width) for name, width in svc.CHANNELS.items()}
    f0 = torch.full((1, 12), 200.0)
    f0[:, 6:] = 0
    seen = []
    model.emb_phone.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    file = index(cloud(100))
    whole = {"index": file, "index_rate": 1.0, "protect": 0.5}
    for options in ({}, {"index_rate": 0.5}, whole, {"index": file, "index_rate": 0.5, "protect": 0.2}):
        model.infer(contents, f0, seed=0, **options)
    plain, idle, whole, part = seen
    assert torch.equal(plain, idle)
    moved = (whole - plain).abs().mean(2)
    assert moved.min() > 0.01
    voiced = plain + 0.5 * (whole - plain)
    unvoiced = plain + 0.1 * (whole - plain)
    torch.testing.assert_close(part[:, :6], voiced[:, :6])
    torch.testing.assert_close(part[:, 6:], unvoiced[:, 6:])


def test_an_index_that_cannot_be_read_is_named(index, tmp_path, monkeypatch):
    other = retrieval.read(Path(index(cloud(50, 256))))
    with pytest.raises(ValueError, match=r"added_.*256 channels, and this voice reads 768.*name the index of this voice"):
        other.nearest(cloud(3, 768))
    cut = tmp_path / "cut.index"
    cut.write_bytes(Path(other.file).read_bytes()[:900])
    with pytest.raises(ValueError, match=r"cut\.index is damaged"):
        retrieval.read(str(cut))
    with pytest.raises(ValueError, match="no file nowhere.index"):
        retrieval.read("nowhere.index")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "faiss" else found(name))
    with pytest.raises(ValueError, match="needs the package faiss-cpu: pip install"):
        retrieval.read(other.file)


def test_an_index_without_vectors_is_told_from_one_with(tmp_path):
    faiss = pytest.importorskip("faiss", reason="no faiss: pip install -e '.[svc]'")
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "trained.index"))
    with pytest.raises(ValueError, match=r"is empty, as RVC's trained_"):
        retrieval.read(str(tmp_path / "trained.index"))


def test_shares_that_cannot_be_are_named():
    options = RVC.options()
    assert {"index", "index_rate", "protect"} <= options.keys()
    assert chosen({"index_rate": 1.0, "protect": 0.5}, RVC, SVC) == {"index_rate": 1.0, "protect": 0.5}
    assert "protect" in chosen({"protect": np.full(2, 0.3)}, RVC, SVC)  # an array is for the model to look at
    for wrong in ({"index_rate": 1.1}, {"protect": 0.6}, {"protect": -0.1}):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"{name} must be 0"):
            chosen(wrong, RVC, SVC)


# Rumble

DIGEST = "9102a26e"  # of the settings of F0, in versions that knew no filter


def test_rumble_is_filtered_there_and_back_as_rvc_does():
    samples = cloud(16000, 1)[:, 0] * 0.1
    taps = signal.butter(5, 48, "highpass", fs=16000)
    expected = signal.filtfilt(*taps, samples)
    found = Audio(samples, 16000).highpassed(48)
    np.testing.assert_allclose(found.samples, expected, atol=1e-5)
    assert np.abs(found.samples - samples).max() > 1e-3
    for few in (0, 1, 5):
        assert len(Audio(samples[:few], 16000).highpassed(48).samples) == few


def test_a_hum_is_no_melody_where_it_is_filtered():
    t = np.arange(22050) / 22050
    phase = 2 * np.pi * t
    voice = sum(np.sin(210 * k * phase) for k in (1, 2, 3))
    hum = np.sin(40 * phase)
    sound = Audio(0.05 * voice + 0.5 * hum, 22050)
    settings = {"sample_rate": 22050, "hop_size": 256, "fmin": 30.0}
    medians = []
    for highpass in (0.0, 100.0):
        feature = F0(**settings, highpass=highpass)
        medians.append(np.median(feature(None, sound)[20:60]))
    assert medians == pytest.approx([40, 210], rel=0.05)
    with pytest.raises(ValueError, match="f0.highpass: from 0 .none. to less than half the rate"):
        F0(**settings, highpass=-1)


def test_what_was_kept_before_there_was_a_filter_is_still_of_use():
    features = FeatureSet({"mel": {}, "f0": {}}, sample_rate=22050, hop_size=256)
    filtered = FeatureSet({"mel": {}, "f0": {"highpass": 48.0}}, sample_rate=22050, hop_size=256)
    assert features.digests["f0"] == DIGEST != filtered.digests["f0"]
