"""From a corpus to phones, durations, pitch and codes: what a model of speech codes trains on, by the two programs."""

import math

import pytest
import torch

from bins import extract, preprocess
from models.base.checkpoint import save_release
from models.base.experiment import Experiment
from models.codec.encodec import EnCodec
from preprocessors import demo
from tests.conftest import make, toy_config
from utils.audio import Audio

RATE = 24000
HOP = 320  # 75 frames a second, as the small EnCodec has
SIZES = {
    "bandwidths": (0.75, 1.5),
    "seanet": {"filters": 2, "ratios": (8, 5, 4, 2), "hidden": 8, "lstm": 0},
    "quantizer": {"codebook_size": 32},
    "windows": (64,),
}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("path")
    facts = {"sample_rate": RATE, "hop_size": HOP}
    torch.manual_seed(0)
    model = make(EnCodec, **facts, **SIZES)
    card = {"model_type": "EnCodec", "preprocess": {**facts, "features": {"audio": {}}}, "facts": facts, "learned": {}, "model": SIZES}
    save_release(folder / "codec", card, model.state_dict())
    demo.make(folder / "raw", sentences=1, voices=demo.VOICES[:2])
    features = {"phone": {}, "duration": {"source": "aligner"}, "f0": {}, "codec": {"model": str(folder / "codec")}}
    settings = {**facts, "features": features}
    path = toy_config(folder, dataset=["demo"], dataset_path={"demo": str(folder / "raw")}, preprocess=settings)
    arguments = ["--config", str(path), "--jobs", "1"]
    assert preprocess.main(arguments) == 0
    assert extract.main([*arguments, "--device", "cpu"]) == 0
    read = Experiment.read(path)
    assert read.card["facts"]["codebooks"] == 4 and read.card["facts"]["codebook_size"] == 32
    return read


def test_durations_pitch_and_codes_are_of_the_same_frames(experiment):
    names = ["phone", "duration", "f0", "codec"]
    utterances = [*experiment.utterances("train"), *experiment.utterances("valid"), *experiment.utterances("test")]
    assert len(utterances) == 2
    for utterance in utterances:
        arrays = experiment.features(utterance, names)
        frames = len(arrays["codec"])
        samples = len(Audio.read(utterance.audio, RATE).samples)
        assert frames in (math.floor(samples / HOP), math.ceil(samples / HOP))
        assert arrays["codec"].shape == (frames, 4)
        assert arrays["duration"].sum() == frames == len(arrays["f0"])
        assert len(arrays["phone"]) == len(arrays["duration"])
        assert (arrays["f0"] > 0).any()
