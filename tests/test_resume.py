"""VITS, Jets, NaturalSpeech2 and VALL-E, very small, killed in the middle of an epoch: they go on as if never stopped, to the last bit."""

import json

import pytest

from bins.extract import extract
from models.base.experiment import Experiment
from tests.codec import speech_release
from tests.conftest import make_corpus
from tests.test_jets import SMALL as JETS
from tests.test_naturalspeech2 import SIZES as NS2
from tests.test_trainer import killed_and_resumed_is_whole
from tests.test_vits import SOUND, vits_config


def jets_config(folder, **train):
    """As small as the VITS, on the same clips: it learns its alignment and reads no durations."""
    path = vits_config(folder, **train)
    config = json.loads(path.read_text())
    config["model_type"] = "Jets"
    config["preprocess"]["features"] = {
        "phone": {"g2p": "characters"}, "mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}, "f0": {}, "energy": {"n_fft": 512, "win_size": 512},
        "audio": {},
    }  # fmt: skip
    sound = SOUND | {"upsample_rates": (16, 16), "upsample_kernel_sizes": (32, 32)}
    config["model"] = JETS | {"n_fft": 512, "win_size": 512, "decoder": sound}
    path.write_text(json.dumps(config))
    return path


def ns2_config(folder, **train):
    """As small, on the codes of a small codec."""
    path = vits_config(folder, **train)
    config = json.loads(path.read_text())
    del config["discriminator"], config["train"]["loss_weights"]
    codec = {"model": speech_release(folder / "codec"), "bandwidth": 1.5}
    config["model_type"] = "NaturalSpeech2"
    config["preprocess"] |= {"sample_rate": 24000, "hop_size": 320}
    config["preprocess"]["features"] = {"phone": {"g2p": "characters"}, "duration": {}, "f0": {}, "codec": codec}
    config["model"] = NS2
    config["train"]["prompt_from"] = "speaker"
    path.write_text(json.dumps(config))
    return path


def valle_config(folder, **train):
    """The same codes; five updates of each network."""
    path = ns2_config(folder, **train)
    config = json.loads(path.read_text())
    config["model_type"] = "VALLE"
    features = config["preprocess"]["features"]
    del features["duration"], features["f0"], config["train"]["prompt_from"], config["train"]["max_steps"]
    config["model"] = {"hidden": 16, "decoder": {"layers": 2, "heads": 2}}
    config["train"]["stages"] = {name: {"max_steps": 5, "parts": [name]} for name in ("ar", "nar")}
    path.write_text(json.dumps(config))
    return path


def test_killed_within_the_second_stage_valle_goes_on(tmp_path):
    config = valle_config(make_corpus(tmp_path, [0.7, 0.8, 0.9, 1.0] * 3), valid_every=5, samples=0, keep_last=9, max_grad_norm=5.0)
    extract(Experiment.read(config), jobs=1)
    state = killed_and_resumed_is_whole(config, at=8, last=10)
    assert state["progress"]["stage"] == "nar"


@pytest.mark.parametrize("make", [vits_config, jets_config, ns2_config])
def test_killed_and_resumed_is_never_stopped(tmp_path, make):
    """Step 4 is mid-epoch: ten utterances make three batches. Weights, averages, both optimisers, schedules and random state agree."""
    # Ten updates, so that the kill comes before the end; a bound on the gradient, so that its norm is part of the state's story.
    config = make(make_corpus(tmp_path, [0.7, 0.8, 0.9, 1.0] * 3), max_steps=10, valid_every=5, samples=0, keep_last=9, max_grad_norm=5.0)
    extract(Experiment.read(config), jobs=1)
    state = killed_and_resumed_is_whole(config, at=4, last=10)
    networks = {"model"} if make is ns2_config else {"model", "discriminator"}
    assert set(state["optimizers"]) == networks == set(state["schedulers"]), state.keys()
    assert {"ema", "random"} <= set(state), state.keys()
