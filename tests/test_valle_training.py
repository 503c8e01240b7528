"""VALL-E trains in two stages from a corpus to a release that speaks, goes on to the last bit, and its losses fall."""

import pytest
import torch

from models import load
from models.base.checkpoint import Checkpoints, save_release
from models.base.experiment import Experiment
from models.codec.encodec import EnCodec
from tests.codec import SETTINGS, sound
from tests.conftest import make, make_corpus, toy_config, train_here
from tests.networks import losses_of
from tests.test_valle import prompts, texts, valle

RATE = 8000
HOP = 64
STAGES = {"ar": {"max_steps": 3, "parts": ["ar"]}, "nar": {"max_steps": 3, "parts": ["nar"]}}


@pytest.fixture
def config(tmp_path):
    """A corpus with words, a codec, and the settings of a small VALL-E on them, extracted."""
    from bins.extract import extract

    torch.manual_seed(0)
    own = SETTINGS | {"seanet": SETTINGS["seanet"] | {"ratios": (8, 8)}, "bandwidths": (0.625, 2.5)}
    model = make(EnCodec, sample_rate=RATE, hop_size=HOP, **own).eval()
    with torch.no_grad():
        model.quantizer.train()(model.encoder(sound(4000)))
    card = {
        "model_type": "EnCodec", "preprocess": {"sample_rate": RATE, "hop_size": HOP, "features": {"audio": {}}}, "model": own,
        "facts": {"sample_rate": RATE, "hop_size": HOP}, "learned": {}, "speakers": ["a"], "dataset": [],
    }  # fmt: skip
    save_release(tmp_path / "codec", card, model.state_dict())
    folder = make_corpus(tmp_path / "corpus", [1.0] * 8)
    features = {"phone": {"g2p": "characters"}, "codec": {"model": str(tmp_path / "codec")}, "mel": None, "audio": None}
    path = toy_config(
        folder,
        model_type="VALLE",
        preprocess={"sample_rate": RATE, "hop_size": HOP, "features": features},
        model={"hidden": 16, "decoder": {"layers": 1, "heads": 2, "dropout": 0.1}},
        train={"max_steps": None, "stages": STAGES, "ema_decay": 0.9},
    )
    extract(Experiment.read(path), jobs=1)
    return path


@pytest.mark.slow
def test_both_stages_go_on_to_the_last_bit_and_the_release_speaks(config, tmp_path):
    train_here(config, "whole")
    train_here(config, "parts", "train.stages={ar: {max_steps: 2, parts: ['ar']}}")
    train_here(config, "parts", "train.stages.nar.max_steps=2")
    train_here(config, "parts")
    experiment = Experiment.read(config)
    runs = [Checkpoints(experiment.run_folder(name)) for name in ("whole", "parts")]
    whole, parts = (run.state(run.newest())["networks"]["model"] for run in runs)
    assert all(torch.equal(whole[name], value) for name, value in parts.items())
    task = load(experiment.run_folder("whole"), device="cpu")
    utterance = experiment.utterances("test")[0]
    assert task.sample(utterance).audio.seconds > 0


@pytest.mark.parametrize("mode", [0, 1, 2, 4])
def test_both_losses_fall(mode):
    model = valle(prefix={"mode": mode}, hidden=32).train()
    codes, frames = prompts(16, 12)
    phone, tokens = texts(4, 3)
    batch = {"phone": phone, "tokens": tokens, "codec": codes, "frames": frames, "prompt_codec": codes[:, :4], "prompt_frames": frames // 4}
    for stage in ("ar", "nar"):
        model.stage = stage
        losses = losses_of(model, batch, 12, 5e-3)
        assert losses[-1] < 0.8 * losses[0], stage
