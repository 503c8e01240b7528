"""NaturalSpeech 2: rows of a batch are as alone, what the prompt tells is not asked for, its codec and its published files."""

import copy
import json

import pytest
import torch

from models import load
from models.base.checkpoint import save_release
from models.tts.naturalspeech2 import NaturalSpeech2
from models.upstream import foreign_model_type
from models.upstream.naturalspeech2_maps import NAMES, PUBLISHED, TABLE, TWICE
from modules.noise import Noise
from processors.features import FeatureSet
from tests.codec import HOP, RATE
from tests.codec import codec as small_codec
from tests.conftest import make
from tests.networks import stirred
from tests.test_codec_feature import release as codec_release
from utils.audio import Audio

STYLED = {"layers": 1, "heads": 2, "filter": 16, "kernel": 3}
SIZES = {
    "hidden": 16,
    "encoder": STYLED,
    "prompt": {"encoder": STYLED, "queries": 4, "heads": 2},
    "predictors": {name: {"layers": 4, "heads": 2, "kernel": 3} for name in ("duration", "pitch")},
    "denoiser": {"layers": 4, "heads": 2},
    "pitch": {"bins": 16},
}
FACTS = {"n_vocab": 12, "codebooks": 4, "codebook_size": 32, "codec_channels": 8}
EVERY_QUIRK = {"published": dict.fromkeys(PUBLISHED, True)}
PROCESSES = [{}, {"diffusion": {"process": "flow"}}]


def network(**settings):
    """Of random weights, whose tokens last three frames each."""
    torch.manual_seed(0)
    model = stirred(make(NaturalSpeech2, **{**FACTS, **SIZES, **settings}))
    model.quantizer.load_state_dict(small_codec().model.quantizer.state_dict())
    last = model.prior_encoder.duration_predictor.linear
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 1.4)
    return model


def inputs():
    """Two texts and prompts of unlike lengths."""
    random = torch.Generator().manual_seed(1)
    return {
        "phone": torch.randint(1, 12, (2, 7), generator=random),
        "tokens": torch.tensor([7, 4]),
        "prompt_codec": torch.randint(0, 32, (2, 9, 4), generator=random),
        "prompt_frames": torch.tensor([5, 9]),
    }


def batch():
    """One of training: the second prompt lies in the utterance itself."""
    random = torch.Generator().manual_seed(2)
    given = inputs()
    given["duration"] = torch.tensor([[2, 3, 1, 2, 4, 1, 2], [3, 2, 4, 1, 0, 0, 0]])
    given["frames"] = given["duration"].sum(1)
    given["codec"] = torch.randint(0, 32, (2, 15, 4), generator=random)
    given["f0"] = 100 + 100 * torch.rand(2, 15, generator=random)
    given["prompt_first"] = torch.tensor([-5, 2])
    return given


@pytest.mark.parametrize("settings", [{}, EVERY_QUIRK, *PROCESSES[1:]])
def test_a_row_of_a_batch_is_said_as_alone(settings):
    model = network(**settings)
    given = inputs()
    both = model.infer(**given, steps=3, seed=5)
    for row in (0, 1):
        alone = {name: value[row : row + 1] for name, value in given.items()}
        alone["phone"] = alone["phone"][:, : int(given["tokens"][row])]
        alone["prompt_codec"] = alone["prompt_codec"][:, : int(given["prompt_frames"][row])]
        said = model.infer(**alone, steps=3, seed=5)
        frames = int(said["frames"])
        assert int(both["frames"][row]) == frames > 4
        for name in ("prior", "f0"):
            torch.testing.assert_close(both[name][row, :frames], said[name][0], rtol=1e-4, atol=1e-5)
        if row == 0:  # the noise of the first is drawn first
            torch.testing.assert_close(both["latent"][row, :frames], said["latent"][0], rtol=1e-4, atol=1e-4)
        assert (both["latent"][row, frames:] == 0).all()


def test_sampling_begins_with_the_noise_that_training_ends_with(monkeypatch):
    begun = []
    monkeypatch.setattr("models.tts.naturalspeech2.sample", lambda slope, begin, *rest, **how: begun.append(begin) or begin)
    for noise in ({}, {"sigma": 2.0, "noise_factor": 1.5}):
        model = network(diffusion={"noise": noise})
        model.infer(**inputs(), steps=2, seed=5)
    torch.testing.assert_close(begun[1], 3.0 * begun[0])


def test_a_seed_says_the_same_and_speed_and_solver_matter():
    model = network()
    given = inputs()
    first = model.infer(**given, steps=3, seed=5)
    assert torch.equal(first["latent"], model.infer(**given, steps=3, seed=5)["latent"])
    for other in ({"seed": 6}, {"seed": 5, "solver": "midpoint"}, {"seed": 5, "temperature": 0.3}):
        assert not torch.equal(first["latent"], model.infer(**given, steps=3, **other)["latent"])
    fast = model.infer(**given, steps=1, seed=5, speed=2.0)
    assert (fast["frames"] < 0.7 * first["frames"]).all()


def test_the_voice_follows_the_prompt_and_not_what_is_beyond_its_end():
    model = network()
    given = inputs()
    said = model.infer(**given, steps=2, seed=1)
    beyond = copy.deepcopy(given)
    beyond["prompt_codec"][0, 5:] = 3
    assert torch.equal(said["latent"], model.infer(**beyond, steps=2, seed=1)["latent"])
    beyond["prompt_codec"][0, :5] = 3
    assert not torch.allclose(said["prior"][0], model.infer(**beyond, steps=2, seed=1)["prior"][0], atol=1e-3)


@pytest.mark.parametrize("settings", PROCESSES)
def test_nothing_is_asked_of_what_the_prompt_tells(settings):
    model = network(**settings)
    given = batch()
    told = copy.deepcopy(given)
    told["f0"][1, 2:10] = 300.0  # all of the second utterance, which is so short
    with torch.no_grad():
        prior = lambda g: model.prior(g["phone"], g["tokens"], prompt_of(model, g), g["duration"], g["f0"])  # noqa: E731
        assert not torch.equal(prior(given)["prior"], prior(told)["prior"])
        assert model(given)["pitch"] == model(told)["pitch"]
        told["prompt_first"] = torch.tensor([-5, -9])
        assert model(given)["pitch"] != model(told)["pitch"]


def prompt_of(model, given):
    return model.prompt(given["prompt_codec"].transpose(1, 2), given["prompt_frames"])


def test_losses_follow_the_process():
    assert network()(batch()).keys() == {"duration", "pitch", "clean", "noise", "codes"}
    assert network(**PROCESSES[1])(batch()).keys() == {"duration", "pitch", "flow", "codes"}


def test_codes_are_likely_where_latents_are_near():
    model = network()
    codes = batch()["codec"].transpose(1, 2)
    latent = model.quantizer.decode(codes)
    near = model.code_nats(latent, latent, codes).mean()
    assert near < model.code_nats(latent + 0.5, latent, codes).mean()
    worse = network(published={"recoded": True}).code_nats(latent, latent, codes).mean()
    assert worse != near, "what the latents are coded by is not always what they were made of"


def test_codes_that_name_no_row_are_refused():
    given = batch()
    given["codec"][0, 0, 0] = 32
    with pytest.raises(ValueError, match=r"codes must be 0 to 31, got 0 to 32"):
        network()(given)


# Its codec


def features_at(place, hop_size=HOP):
    settings = {"phone": {"g2p": "characters"}, "codec": {"model": place}}
    return FeatureSet(settings, sample_rate=RATE, hop_size=hop_size)


def test_a_training_begins_with_the_codebooks_of_its_codec(tmp_path):
    features = features_at(codec_release(tmp_path / "codec"))
    torch.manual_seed(0)
    model = make(NaturalSpeech2, **SIZES, **{**FACTS, **features.features["codec"].facts})
    model.take_from(features.features)
    for own, theirs in zip(model.quantizer.codebooks, small_codec().model.quantizer.codebooks, strict=True):
        assert torch.equal(own.embed, theirs.embed)
    with pytest.raises(ValueError, match=r"codec: it has 1000 frames a second, .* make 400: give preprocess the codec's, 8000"):
        model.take_from(features_at(str(tmp_path / "codec"), hop_size=20).features)


def release(folder, place, model):
    symbols = ["<pad>", "sil", *"_.,!", *"abcdef"]
    p = {"sample_rate": RATE, "hop_size": HOP, "features": features_at(place).settings}
    card = {"model_type": "NaturalSpeech2", "preprocess": p, "model": SIZES, "facts": FACTS, "learned": {"phone": {"symbols": symbols}}}
    return save_release(folder, card, model.state_dict())


def prompt(seconds=2.0, rate=16000):
    noise = torch.randn(round(seconds * rate), generator=torch.Generator().manual_seed(0))
    return Audio(0.1 * noise.numpy(), rate)


def test_it_speaks_in_the_voice_of_a_recording(tmp_path):
    place = codec_release(tmp_path / "codec")
    release(tmp_path / "release", place, network())
    tts = load(tmp_path / "release", device="cpu")
    said = tts("A bad cab.", prompt=prompt(), steps=2, seed=3)
    assert said.rate == RATE and len(said.samples) > 10 * HOP
    again = tts("A bad cab.", prompt=prompt(), steps=2, seed=3)
    assert (said.samples == again.samples).all()
    assert [word for word, *_ in tts.timed("A bad cab.", prompt=prompt(), steps=1, seed=3).words] == ["A", "bad", "cab"]
    with pytest.raises(ValueError, match="prompt: NaturalSpeech2 speaks in the voice of a recording, and none is given"):
        tts("A bad cab.")
    with pytest.raises(ValueError, match="The model never saw 'x', 'z'"):
        tts("zx", prompt=prompt())


def test_another_codec_is_named_before_it_speaks(tmp_path):
    model = network()
    with torch.no_grad():
        model.quantizer.codebooks[2].embed.add_(0.5)
    release(tmp_path / "release", codec_release(tmp_path / "codec"), model)
    tts = load(tmp_path / "release", device="cpu")
    with pytest.raises(ValueError, match="its 4 codebooks are not the 4 of 32 rows that NaturalSpeech2 was trained on"):
        tts("A bad cab.", prompt=prompt(), steps=1)


# What Amphion released


def published_names(model):
    """The state dict as Amphion's program has it."""
    back = {"denoiser.": "diffusion.diff_estimator."}
    state = {}
    for key, value in model.state_dict().items():
        for ours, theirs in back.items():
            key = key.replace(ours, theirs)
        if key.startswith("quantizer."):
            key = key.replace("quantizer.layers", "quantizer.vq.layers").replace("codebook.", "_codebook.")
        state[key] = value
    state[TWICE] = state[TABLE]
    state["prompt_encoder.position_emb.pe"] = torch.zeros(50, 1, 16)
    return state


def published_config():
    """Its section `model` for `SIZES`."""
    encoder = {"encoder_layer": 1, "encoder_hidden": 16, "encoder_head": 2, "conv_filter_size": 16, "conv_kernel_size": 3}
    encoder["encoder_dropout"] = 0.2
    looking = {"attn_head": 2, "cross_attn_per_layer": 3, "drop_out": 0.5}
    predictor = {**looking, "conv_layers": 4, "kernel_size": 3}
    pitch = {"pitch_bins_num": 16, "pitch_min": 50, "pitch_max": 1100}
    noise = {"beta_min": 0.05, "beta_max": 20, "sigma": 1.0, "noise_factor": 1.0}
    return {
        "prior_encoder": {"encoder": encoder, "duration_predictor": predictor, "pitch_predictor": predictor, **pitch},
        "diffusion": {"wavenet": {**looking, "num_layers": 4, "dilation_cycle": 2}, **noise},
        "prompt_encoder": encoder,
        "query_emb": {"query_token_num": 4, "head_num": 2},
    }


def test_a_released_folder_with_its_configuration_loads(tmp_path):
    assert NAMES
    model = network(**EVERY_QUIRK)
    folder = tmp_path / "checkpoint/epoch-0001_step-0000002_loss-6.4"
    folder.mkdir(parents=True)
    torch.save(published_names(model), folder / "pytorch_model.bin")
    assert foreign_model_type(tmp_path) == foreign_model_type(folder / "pytorch_model.bin") == "NaturalSpeech2"
    (tmp_path / "args.json").write_text(json.dumps({"model_type": "NaturalSpeech2", "model": published_config()}))
    task = load(tmp_path, device="cpu")
    assert task.rate == 24000 and task.features.hop_size == 320 and task.model.published.see_padding
    for key, value in model.state_dict().items():
        assert torch.equal(task.model.state_dict()[key], value), key
    given = inputs()
    theirs = task.model.infer(**given, steps=2, seed=0)["latent"]
    assert torch.equal(theirs, model.infer(**given, steps=2, seed=0)["latent"])


def test_other_files_of_that_name_are_not_taken_for_it(tmp_path):
    torch.save({"linear.weight": torch.zeros(2, 2)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="none of the configurations that can be read"):
        load(tmp_path, device="cpu")
    (tmp_path / "pytorch_model.bin").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="none of the configurations that can be read"):
        load(tmp_path, device="cpu")


def test_noise_that_is_drawn_in_validation_is_always_the_same():
    model = network()
    given = batch()
    with torch.no_grad():
        assert model(given)["clean"] == model(given)["clean"]
        training = model.train()
        assert training(given)["clean"] != training(given)["clean"]
    assert Noise(0).uniform(1) == Noise(0).uniform(1)
