"""FACodec learns: its generator moves, each predictor is asked what it should be, and a run goes on to the last bit."""

import json

import pytest
import torch
from torch.nn import functional as F

from bins.extract import extract
from models import load
from models.base.checkpoint import Checkpoints
from models.base.experiment import Experiment
from models.codec.predictors import Asked, Factors, Labels, Predictors, pitch_losses, reversed_gradient
from models.codec.quantizers import Books, FactorQuantizer
from models.upstream import facodec as reader
from models.upstream import facodec_24khz as reader_24khz
from modules.factorized import FactorizedQuantizer
from preprocessors.base import Utterance
from processors.features import FeatureSet
from tests.conftest import make_corpus, toy_config, train
from tests.facodec import KINDS, PHONES, SETTINGS, network, untrained
from tests.parity import old_keys
from tests.test_trainer import killed_and_resumed_is_whole
from utils.audio import Audio

FRAMES = {"windows": [512], "spectrogram": {"n_fft": 512, "win_size": 512, "n_mel": 20}}
SECTIONS = {
    "model_type": "FACodec",
    "preprocess": {"hop_size": 256, "features": {"f0": {}}},
    "model": SETTINGS | {"dac": {"filters": 2, "decoder_filters": 16, "ratios": [8, 8, 4], "latent": 8, "lstm": 1}, **FRAMES},
    "discriminator": {"mpd": {"channel_multiplier": 1 / 32, "periods": [2]}},
    "train": {"segment_frames": 16, "adversarial_from": 1, "prompt_seconds": [0.2, 0.4], "max_grad_norm": 10.0},
}


def config_of(folder, **train):
    corpus = make_corpus(folder, [0.7, 0.8, 0.9, 1.0] * 3)
    config = toy_config(corpus, **SECTIONS | {"train": SECTIONS["train"] | train})
    extract(Experiment.read(config), jobs=1)
    return config


def batch(items=3, frames=40, hop=8):
    audio = torch.sin(torch.arange(frames * hop) / torch.tensor([[3.0], [5.0], [8.0]]))[:items]
    lengths = torch.full((items,), frames)
    pitch = torch.where(torch.arange(frames) % 10 < 7, 150.0 + 10 * torch.arange(frames), 0.0).expand(items, -1)
    given = {"audio": audio, "samples": lengths * hop, "frames": lengths, "f0": pitch, "speaker": torch.arange(items)}
    return given | {"prompt_audio": audio, "prompt_frames": lengths, "frame_phone": (torch.arange(frames) // 5 % 4).expand(items, -1)}


@pytest.mark.parametrize("kind", ["mel", "latent"])
def test_every_loss_falls_and_the_generator_moves(kind):
    model = untrained(**PHONES, **KINDS[kind]).train()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    history = []
    for _ in range(12):
        torch.manual_seed(1)
        losses = {name: value for name, value in model(batch()).items() if value.ndim == 0}
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append({name: value.item() for name, value in losses.items()})
    told = {"wave", "mel", "commitment", "codebook", "f0", "voicing", "phone", "speaker", "register"}
    hidden = {"reversed_f0", "reversed_voicing", "reversed_phone", "reversed_speaker", "reversed_register"}
    assert set(history[0]) == told | hidden
    for name in told - {"wave", "commitment", "codebook"}:
        share = 0.99 if name == "speaker" else 0.95  # who speaks is told apart last, in so few updates
        assert sum(step[name] for step in history[-3:]) < share * sum(step[name] for step in history[:3]), name
    still = [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])]
    assert not still


def test_a_reversed_gradient_comes_back_the_other_way():
    x = torch.randn(3, requires_grad=True)
    reversed_gradient(2 * x).sum().backward()
    assert x.grad.tolist() == [-2.0] * 3


def test_what_a_factor_shall_not_tell_is_pulled_out_of_it():
    torch.manual_seed(0)
    predictors = Predictors(8, phones=4, speakers=3, asked=Asked())
    parts = [torch.randn(2, 8, 20, requires_grad=True) for _ in range(3)]
    timbre = torch.randn(2, 8, requires_grad=True)
    mask = torch.ones(2, 20, dtype=torch.bool)
    labels = Labels(torch.full((2, 20), 150.0), torch.randint(4, (2, 20)), torch.tensor([0, 2]))
    losses = predictors(Factors(*parts, timbre), labels, mask)
    reached = {}
    for name, loss in losses.items():
        pulls = torch.autograd.grad(loss, [*parts, timbre], retain_graph=True, allow_unused=True)
        reached[name] = [pull is not None for pull in pulls]
    prosody, content, residual, voice = ([i == place for i in range(4)] for place in range(4))
    for names, wanted in (
        (("f0", "voicing"), prosody), (("phone",), content), (("speaker", "register"), voice),
        (("reversed_f0", "reversed_voicing", "reversed_phone"), residual),
        (("reversed_speaker",), [True, True, True, False]), (("reversed_register",), [True, True, False, False]),
    ):  # fmt: skip
        assert all(reached[name] == wanted for name in names), names
    (pull,) = torch.autograd.grad(losses["reversed_phone"], parts[2], retain_graph=True)
    worse = F.cross_entropy(predictors.reversed_phone(parts[2] - 0.1 * pull)[0].transpose(1, 2), labels.phone)
    assert worse > losses["reversed_phone"]


def test_pitch_is_told_in_octaves_from_the_middle_of_an_utterance():
    f0 = torch.tensor([[100.0, 200.0, 0.0, 400.0, 999.0]])
    mask = torch.tensor([[True, True, True, True, False]])
    answers = [torch.tensor([[-1.0, 0.5, 7.0, 1.0, 9.0]])[..., None], torch.zeros(1, 5, 1)]
    losses = pitch_losses(answers, Labels(f0, None, torch.zeros(1)), mask)
    assert losses["f0"].item() == pytest.approx(0.5 / 3) and losses["voicing"].item() == pytest.approx(0.6931, abs=1e-4)
    silent = pitch_losses(answers, Labels(torch.zeros(1, 5), None, torch.zeros(1)), mask)
    assert silent["f0"] == 0 and torch.isfinite(silent["voicing"])


def test_rows_begin_as_what_is_quantised_and_begin_anew_where_nothing_chooses_them():
    torch.manual_seed(0)
    quantizer = FactorizedQuantizer(1, 16, 6, 3).train()
    x = 5 + torch.randn(2, 6, 400)  # all in about the same direction
    book = quantizer.layers[0]
    codes = quantizer(x).codes
    assert len(codes.unique()) > 8 and (book.counts > 0).all()
    with torch.no_grad():
        book.codebook.weight[3] = -book.codebook.weight[3]
        book.counts[3] = 0
    others = torch.cat([book.codebook.weight[:3], book.codebook.weight[4:]]).clone()
    before = book.codebook.weight[3].clone()
    quantizer(x)
    assert not torch.equal(book.codebook.weight[3], before)
    assert torch.equal(torch.cat([book.codebook.weight[:3], book.codebook.weight[4:]]), others)
    kept = book.codebook.weight.clone()
    quantizer.eval()(x)
    assert torch.equal(book.codebook.weight, kept)


def test_codebooks_that_are_left_out_still_quantise_what_is_left_over():
    torch.manual_seed(0)
    quantizer = FactorizedQuantizer(3, 16, 6, 3).train()
    for book in quantizer.layers:
        book.counts.fill_(1.0)  # no row begins anew
    x = torch.randn(2, 6, 40)
    wanted = quantizer.encode(x)
    out = quantizer(x, used=torch.tensor([0, 1]))
    assert torch.equal(out.codes, wanted) and not out.vectors[0].any()
    torch.testing.assert_close(out.vectors[1:], quantizer.decode(wanted[1:, :1]))


def test_residual_codes_are_left_out_as_often_as_is_said():
    quantizer = FactorQuantizer(Books(rows=(8, 8, 8), row_channels=2, dropout=1.0, residual_dropout=0.25), 4).train()
    torch.manual_seed(0)
    counts = torch.bincount(quantizer._drawn(4000), minlength=4) / 4000
    torch.testing.assert_close(counts, torch.tensor([0.25, 0.25, 0.25, 0.25]), atol=0.03, rtol=0)
    latent = torch.randn(6, 4, 9)
    none = FactorQuantizer(Books(rows=(8, 8, 8), row_channels=2, residual_dropout=1.0), 4).train()
    assert not none(latent, latent).residual.any() and none.eval()(latent, latent).residual.any()


def test_what_lies_beyond_the_end_is_asked_of_nobody():
    model = network(**PHONES).eval()
    plain = batch(2) | {"frames": torch.tensor([40, 30]), "samples": torch.tensor([320, 240])}
    other = {name: plain[name].clone() for name in ("f0", "frame_phone", "audio")}
    other["f0"][1, 30:] = 999.0
    other["frame_phone"][1, 30:] = 1
    with torch.no_grad():
        losses = model(plain), model(plain | other)
        moved = model(plain | {"f0": 999.0 - plain["f0"]})
    assert all(torch.equal(losses[0][name], losses[1][name]) for name in losses[0])
    assert not torch.equal(losses[0]["f0"], moved["f0"])


def test_phones_of_frames_are_those_of_the_durations(tmp_path):
    audio = Audio(torch.zeros(800).numpy(), 8000)
    path = audio.write(tmp_path / "a.wav")
    features = FeatureSet({"phone": {"g2p": "characters"}, "duration": {}, "frame_phone": {}}, sample_rate=8000, hop_size=80)
    features.features["duration"] = lambda *_, **__: None
    feature = features.features["frame_phone"]
    feature.restore({"symbols": ["<pad>", "a", "sil"]}, None)
    utterance = Utterance("a", "custom", "ann", str(path), 0.1, text="a")
    import numpy as np

    symbols = feature(utterance, audio, phone=np.array(["sil", "a", "sil"]), duration=np.array([1, 7, 2]))
    assert feature.encode(symbols).tolist() == [2] + [1] * 7 + [2] * 2
    with pytest.raises(ValueError, match="the table of training lacks b"):
        feature.encode(np.array(["b"]))


def test_killed_and_resumed_is_never_stopped(tmp_path):
    config = config_of(tmp_path, max_steps=6, valid_every=6, save_every=2, keep_last=9)
    state = killed_and_resumed_is_whole(config, at=2, last=6)
    assert set(state["optimizers"]) == {"model", "discriminator"}


def test_two_processes_train_every_parameter(tmp_path):
    config = config_of(tmp_path, max_steps=3, batch_size=4)
    train(config, "two", processes=2)
    run = Checkpoints(Experiment.read(config).run_folder("two"))
    weights = run.state(run.newest())["networks"]["model"]
    torch.manual_seed(1234)
    assert run.newest().name.endswith("3") and all(torch.isfinite(value).all() for value in weights.values())


def published(model, names):
    """The weights of a model of ours under published names."""
    weights = {}
    for key, value in old_keys(model.state_dict()).items():
        for theirs, ours in names if not key.endswith(".counts") else ():
            if key.startswith(ours):
                weights[theirs + key.removeprefix(ours)] = value
                break
    return weights


def test_a_released_folder_loads(tmp_path):
    sizes = {"layers": 1, "heads": 4, "filter": 16, "positions": "first"}
    settings = {
        "dac": {"filters": 4, "decoder_filters": 16, "ratios": (4, 2), "latent": 8, "lstm": 0, "padding": "zero", "antialiased": True},
        "books": SETTINGS["books"] | {"unit_rows": False}, "spectrogram": reader.MEL, "predictors": {"timbre": False, "register": False},
        "timbre": {"source": "latent", "transformer": sizes}, "n_vocab": 7, "sample_rate": 16000,
    }  # fmt: skip
    model = network(**settings, prosody={"source": "latent"}, redecoder={"decoder_filters": 32, "prosody": sizes, "each": True})
    second = network(**settings, prosody={"encoder": "transformer", "bands": 20, "transformer": sizes})
    decoder = (
        ("model.", "decoder.model."), ("quantizer.0.", "quantizer.prosody."), ("quantizer.1.", "quantizer.content."),
        ("quantizer.2.", "quantizer.residual."), ("timbre_encoder.", "timbre.transformer.encoder."),
        ("timbre_linear.", "voice.timbre_linear."), ("melspec_linear.", "prosody.linear."),
        ("melspec_encoder.", "prosody.transformer.encoder."), ("f0_predictor.", "predictors.f0."), ("phone_predictor.", "predictors.phone."),
        ("res_f0_predictor.1.", "predictors.reversed_f0."), ("res_phone_predictor.1.", "predictors.reversed_phone."),
        ("x_timbre_predictor.1.", "predictors.reversed_speaker."),
    )  # fmt: skip
    again = (
        ("prosody_embs.", "redecoder.prosody."), ("content_embs.", "redecoder.content."), ("residual_embs.", "redecoder.residual."),
        ("model.", "redecoder.decoder.model."), ("timbre_linear.", "redecoder.voice.timbre_linear."),
    )  # fmt: skip
    again = (("timbre_cond_prosody_enc.", "redecoder.prosody_encoder.encoder."), *again)
    for network_, version in ((model, ""), (second, "_v2")):
        torch.save(published(network_, (("block.", "encoder.block."),)), tmp_path / f"ns3_facodec_encoder{version}.bin")
        torch.save(published(network_, decoder), tmp_path / f"ns3_facodec_decoder{version}.bin")
    torch.save(published(model, again), tmp_path / "ns3_facodec_redecoder.bin")
    sound = Audio(0.3 * torch.randn(1600).numpy(), 16000)
    for place, ours in ((tmp_path, model), (tmp_path / "ns3_facodec_decoder_v2.bin", second)):
        task = load(place, device="cpu")
        assert task.rate == 16000 and task.hop_size == 8
        own, theirs = ours.state_dict(), task.model.state_dict()
        assert own.keys() == theirs.keys() and all(torch.equal(own[key], theirs[key]) for key in own if not key.endswith(".counts"))
        assert (task.model.redecoder is None) == (ours is second)
        assert len(task.convert(sound, Audio(0.3 * torch.randn(16000).numpy(), 16000)).samples) == 1600
    (tmp_path / "ns3_facodec_encoder.bin").unlink()
    with pytest.raises(ValueError, match=r"ns3_facodec_encoder\.bin is missing: FACodec is an encoder and a decoder"):
        load(tmp_path, device="cpu")


def test_a_checkpoint_of_the_training_code_loads(tmp_path):
    model = network(n_vocab=7, books=SETTINGS["books"] | {"unit_rows": False}, spectrogram={"n_mel": 20}, predictors={})
    state = {}
    for key, value in old_keys(model.state_dict()).items():
        if key.endswith(".counts"):
            continue
        shape = value[None, :, None] if key.endswith(".alpha") and not key.startswith("predictors") else value
        state[key] = shape[..., None] if "_proj.weight" in key else shape
    names = {
        "encoder": (("block.", "encoder.block."),),
        "decoder": (("model.", "decoder.model."),),
        "quantizer": (
            *((f"{factor}_quantizer.quantizers.", f"quantizer.{factor}.layers.") for factor in ("prosody", "content", "residual")),
            ("timbre_encoder.", "timbre."), ("timbre_linear.", "voice.timbre_linear."), ("melspec_linear.", "prosody.first."),
            ("melspec_linear2.", "prosody.last."), ("melspec_encoder.", "prosody."),
        ),
        "fa_predictors": (
            ("timbre_predictor.", "predictors.speaker."), ("global_f0_predictor.", "predictors.register."),
            ("rev_global_f0_predictor.1.", "predictors.reversed_register."), ("rev_f0_predictor.1.", "predictors.reversed_f0."),
            ("rev_content_predictor.1.", "predictors.reversed_phone."), ("rev_timbre_predictor.1.", "predictors.reversed_speaker."),
            ("f0_predictor.", "predictors.f0."), ("phone_predictor.", "predictors.phone."),
        ),
    }  # fmt: skip
    networks = {}
    for part, pairs in names.items():
        networks[part] = {}
        for key, value in state.items():
            found = next((theirs + key.removeprefix(ours) for theirs, ours in pairs if key.startswith(ours)), None)
            if found:
                networks[part][found.replace(".conv.", ".conv.conv.")] = value
    networks["discriminator"] = {}
    file = tmp_path / "FAcodec_epoch_00001_step_00010.pth"
    torch.save({"net": networks, "iters": 10, "epoch": 1}, file)
    task = load(file, device="cpu")
    own, theirs = model.state_dict(), task.model.state_dict()
    assert own.keys() == theirs.keys() and all(torch.equal(own[key], theirs[key]) for key in own if not key.endswith(".counts"))
    assert task.rate == reader_24khz.RATE and task.model.quantizer.books.counts == (1, 2, 3)
    torch.save({"net": {"encoder": networks["encoder"]}}, file)
    with pytest.raises(ValueError, match="has no quantizer, decoder, fa_predictors under net"):
        load(file, device="cpu")


def test_a_config_says_what_is_missing(tmp_path):
    from models.base.experiment import problems_of
    from utils.config import load_config

    config = load_config(toy_config(make_corpus(tmp_path, [1.0] * 3), **SECTIONS))
    config = json.loads(json.dumps(config))
    config["model"]["predictors"]["phones"] = True
    assert any("preprocess.features.frame_phone: is missing" in problem for problem in problems_of(config))
