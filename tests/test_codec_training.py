"""A codec learns: codebooks start, follow and revive; losses are weighed by their gradients; a run goes on to the last bit."""

import pytest
import torch

from models.base.balancer import Balancer
from models.base.checkpoint import Checkpoints
from models.base.gan import GANTrainer
from modules import quantization
from modules.quantization import Codebook, ResidualQuantizer
from modules.seanet import SEANetEncoder, SEANetSizes
from tests.codec import SPECTRAL, network, sound
from tests.conftest import toy_config, train_here


def codebook(size, **settings):
    return Codebook(size, 2, **{"decay": 0.9, "kmeans": 10, "dead_below": 0.0, **settings})


def test_an_untrained_encoder_does_not_drown_a_quiet_sound_in_its_biases():
    torch.manual_seed(0)
    encoder = SEANetEncoder(1, SEANetSizes(filters=8, hidden=16, lstm=1))
    with torch.no_grad():
        hidden = encoder(0.05 * torch.randn(1, 1, 8000))
    assert hidden.std(2).mean() > hidden.std() / 2


def test_rows_begin_as_the_centres_of_clusters():
    corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    vectors = corners.repeat(25, 1) + 0.1 * torch.randn(100, 2)
    book = codebook(4)
    torch.manual_seed(3)
    book.begin(vectors)
    found = book.embed[book.encode(corners)]
    torch.testing.assert_close(found, corners, rtol=0, atol=0.2)
    assert book.cluster_size.tolist() == [25.0] * 4
    before = book.embed.clone()
    book.begin(vectors + 5)  # only once
    assert (book.embed == before).all()


def test_a_row_is_the_moving_average_of_what_chooses_it():
    book = codebook(2)
    book.inited.fill_(1)
    book.embed.copy_(torch.tensor([[1.0, 1.0], [-5.0, -5.0]]))
    book.cluster_size.copy_(torch.tensor([2.0, 4.0]))
    book.embed_avg.copy_(book.embed * book.cluster_size[:, None])
    vectors = torch.tensor([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]])
    book.learn(vectors, book.encode(vectors))
    assert book.cluster_size.tolist() == pytest.approx([0.9 * 2 + 0.1 * 3, 0.9 * 4])
    mean = (0.9 * 2 * 1 + 0.1 * 6) / 2.1
    torch.testing.assert_close(book.embed, torch.tensor([[mean, mean], [-5.0, -5.0]]), rtol=1e-4, atol=0)


def test_a_row_that_nothing_chooses_begins_anew():
    book = codebook(3, dead_below=0.5)
    book.inited.fill_(1)
    book.embed.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [99.0, 99.0]]))
    book.cluster_size.copy_(torch.tensor([5.0, 5.0, 0.4]))
    book.embed_avg.copy_(book.embed * book.cluster_size[:, None])
    vectors = 0.1 * torch.randn(50, 2)
    book.learn(vectors, book.encode(vectors))
    assert (vectors == book.embed[2]).all(1).any() or (vectors - book.embed[2]).abs().sum(1).min() < 1e-3
    assert book.cluster_size[2] == 0.5


def test_each_codebook_says_what_those_before_left_over():
    quantizer = ResidualQuantizer(codebooks=4, codebook_size=16, channels=6, kmeans=5, dead_below=0.0)
    x = torch.randn(3, 6, 40, requires_grad=True)
    quantizer(x.detach())
    quantizer.eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    errors = []
    for used in (1, 2, 3, 4):
        quantized = quantizer(x, used)
        assert (quantized.codes == quantizer.encode(x, used)).all() and quantized.codes.shape == (3, used, 40)
        torch.testing.assert_close(quantizer.decode(quantized.codes), quantized.vectors)
        errors.append((quantized.vectors - x).square().mean().item())
    assert errors == sorted(errors, reverse=True) and errors[3] < 0.5 * errors[0]
    assert all((before[name] == value).all() for name, value in quantizer.state_dict().items())
    (gradient,) = torch.autograd.grad(quantized.vectors.sum(), x, retain_graph=True)
    assert (gradient == 1).all()  # straight through
    (pull,) = torch.autograd.grad(quantized.commitment, x)
    assert pull.abs().sum() > 0 and 0 < quantizer.use.min() <= 1


def test_training_uses_the_codebooks_of_a_drawn_bandwidth():
    model = network()
    assert model._drawn_books() is None
    model.train()
    assert {model._drawn_books() for _ in range(60)} == {1, 2, 4}


def test_all_processes_use_as_many_codebooks(monkeypatch):
    model = network().train()
    monkeypatch.setattr(quantization, "_several", lambda: True)
    monkeypatch.setattr(torch.distributed, "broadcast", lambda tensor, source: tensor.fill_(1))
    assert {model._drawn_books() for _ in range(20)} == {2}


def test_training_is_on_normalised_sound_where_coding_is():
    model = network(chunking={"normalised": True})
    batch = {"audio": sound(800)[0], "samples": torch.tensor([800])}
    louder = batch | {"audio": 9 * batch["audio"]}
    torch.testing.assert_close(model(louder)["fake"], 9 * model(batch)["fake"])


def test_gradients_have_the_shares_of_their_weights():
    wave = torch.randn(4, 1, 50, requires_grad=True)
    other = torch.ones(3, requires_grad=True)
    near = wave.square().sum() * 1000
    far = (wave * torch.randn(50)).sum() / 1000
    balancer = Balancer(0.5)
    total = balancer({"near": near, "far": far, "aside": other.sum()}, {"near": 3.0, "aside": 0.2}, wave, lambda value: value)
    gradients = [torch.autograd.grad(loss, wave, retain_graph=True)[0] for loss in (near, far)]
    lengths = [gradient.flatten(1).norm(dim=1).mean() for gradient in gradients]
    total.backward()
    wanted = (0.75 * gradients[0] / lengths[0] + 0.25 * gradients[1] / lengths[1]) / 4
    torch.testing.assert_close(wave.grad, wanted)
    assert other.grad.tolist() == pytest.approx([0.2] * 3)
    # The next update's sizes are averages: (0.5 * a + b) / (0.5 + 1).
    balancer({"near": 4 * wave.square().sum()}, {}, wave, lambda value: value)
    second = 4 * gradients[0].flatten(1).norm(dim=1).mean() / 1000
    assert balancer.state["near"][0] / balancer.state["near"][1] == pytest.approx(float((0.5 * lengths[0] + second) / 1.5), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "falling"), [({}, ("wave", "mel", "commitment")), (SPECTRAL, ("mel",))], ids=["seanet", "spectral"]
)
def test_every_loss_falls_on_a_toy(settings, falling):
    model = network(**settings).train()
    batch = {"audio": torch.sin(torch.arange(800) / torch.tensor([[3.0], [5.0], [8.0]])), "samples": torch.tensor([800] * 3)}
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    history = []
    for _ in range(50):
        losses = model(batch)
        scalars = {name: value for name, value in losses.items() if value.ndim == 0}
        optimizer.zero_grad()
        sum(scalars.values()).backward()
        optimizer.step()
        history.append({name: value.item() for name, value in scalars.items()})
    for name in falling:
        first = sum(step[name] for step in history[:5])
        assert sum(step[name] for step in history[-5:]) < 0.8 * first, name


SECTIONS = {
    "model_type": "EnCodec",
    "model": {
        "bandwidths": [0.3, 0.6],
        "seanet": {"filters": 2, "ratios": [8, 8, 4], "hidden": 4, "lstm": 1},
        "quantizer": {"codebook_size": 16, "kmeans": 5, "dead_below": 0.5},
        "windows": [512],
    },
    "discriminator": {"msstftd": {"filters": 2, "n_ffts": [256], "win_lengths": [256], "hop_lengths": [64]}},
    "train": {"segment_frames": 16, "adversarial_from": 2, "balance_decay": 0.9, "loss_weights": {"adversarial": 3}},
}


def test_a_run_goes_on_to_the_last_bit(corpus):
    config = toy_config(corpus, **SECTIONS)
    train_here(config, "whole")
    train_here(config, "parts", "train.max_steps=3")
    train_here(config, "parts")
    whole, parts = (Checkpoints(corpus / "ckpts" / name) for name in ("whole", "parts"))
    states = [run.state(run.newest()) for run in (whole, parts)]
    weights = [state["networks"]["model"] for state in states]
    assert all((weights[0][name] == value).all() for name, value in weights[1].items())
    assert states[0]["extra"] == states[1]["extra"] and set(states[0]["extra"]["balancer"]) == {"wave", "mel", "adversarial", "feature"}


def test_settings_that_hide_the_sound_are_refused():
    config = {"discriminator": {"mpd": {}}, "train": {"balance_decay": 0.9, "compile": True, "batch_size": 1}}
    assert any("train.compile: hides" in problem for problem in GANTrainer.problems(config))
    config["train"] = {"balance_decay": 1.0}
    assert any("train.balance_decay: 0 or more and less than 1" in problem for problem in GANTrainer.problems(config))
