"""Distributions of a sample: likelihoods against scipy's, draws, and the classes of mu-law."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from models.vocoders.autoregression import drawer
from models.vocoders.distributions import Output, mu_law_decode, mu_law_encode

OUTPUTS = {
    "mu-law": Output(kind="categorical", classes=32),
    "linear classes": Output(kind="categorical", classes=20, mu_law=False),
    "logistics": Output(mixtures=4),
    "one logistic": Output(mixtures=1),
    "gaussian": Output(kind="gaussian", mixtures=1),
    "gaussians": Output(kind="gaussian", mixtures=3),
}


@pytest.mark.parametrize("log_scale", [-9.0, -4.0, 1.0])
def test_the_mass_of_all_quantised_values_is_one(log_scale):
    output = Output(classes=256, mixtures=2, log_scale_min=-12.0)
    y = torch.tensor([0.3, -0.5, -0.99, 0.4, log_scale, log_scale + 0.5], dtype=torch.float64)
    values = torch.linspace(-1, 1, 256, dtype=torch.float64)
    mass = output.log_prob(y.expand(1, 256, 6), values[None]).exp().sum()
    assert abs(mass - 1) < 1e-9


def test_the_likelihood_of_logistics_is_that_of_scipy():
    output = Output(classes=65536, mixtures=2, log_scale_min=-12.0)
    y = torch.tensor([0.2, -0.1, -0.3, 0.25, -3.0, -2.0], dtype=torch.float64)
    audio = torch.tensor([[-0.4, 0.0, 0.3, 0.9]], dtype=torch.float64)
    weights = np.exp([0.2, -0.1]) / np.exp([0.2, -0.1]).sum()
    half = 1 / 65535
    wanted = sum(
        w * (stats.logistic.cdf(audio + half, m, math.exp(s)) - stats.logistic.cdf(audio - half, m, math.exp(s)))
        for w, m, s in zip(weights, (-0.3, 0.25), (-3.0, -2.0), strict=True)
    )
    np.testing.assert_allclose(output.log_prob(y.expand(1, 4, 6), audio).exp().numpy(), wanted, rtol=1e-6)


def test_the_likelihood_of_gaussians_is_that_of_scipy():
    one = Output(kind="gaussian", mixtures=1)
    audio = torch.tensor([[-0.4, 0.3]], dtype=torch.float64)
    y = torch.tensor([0.1, -1.5], dtype=torch.float64).expand(1, 2, 2)
    np.testing.assert_allclose(one.log_prob(y, audio).numpy(), stats.norm.logpdf(audio, 0.1, math.exp(-1.5)), rtol=1e-9)


def test_a_faraway_value_has_a_finite_likelihood_and_gradient():
    output = Output(mixtures=1)
    y = torch.tensor([[[0.0, -1.0, -7.0]]], requires_grad=True)
    loss = -output.log_prob(y, torch.tensor([[0.9]]))
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(y.grad).all() and y.grad[..., 1].abs().item() > 1


def mixture_cdf(x, family):
    return 0.7 * family.cdf(x, -0.2, math.exp(-3)) + 0.3 * family.cdf(x, 0.3, math.exp(-2.5))


@pytest.mark.parametrize("kind, family", [("logistic", stats.logistic), ("gaussian", stats.norm)])
@pytest.mark.parametrize("compiled", [False, True])
def test_samples_of_a_mixture_are_distributed_like_it(kind, family, compiled):
    output = Output(kind=kind, mixtures=2)
    y = torch.tensor([math.log(0.7), math.log(0.3), -0.2, 0.3, -3.0, -2.5])
    found = picked(output, y, 4000, compiled)
    assert stats.kstest(found, lambda x: mixture_cdf(x, family)).pvalue > 0.01


@pytest.mark.parametrize("compiled", [False, True])
def test_classes_are_drawn_as_often_as_they_are_probable(compiled):
    output = Output(kind="categorical", classes=4, mu_law=False)
    wanted = np.array([0.1, 0.2, 0.3, 0.4])
    found = picked(output, torch.tensor(wanted).log().float(), 4000, compiled)
    counts = np.bincount(np.round((found + 1) / 2 * 3).astype(int), minlength=4)
    assert stats.chisquare(counts, wanted * 4000).pvalue > 0.01


def picked(output, y, times, compiled):
    from models.vocoders.loops import KINDS, pick

    draws = drawer(output, 1, 5)(times)[:, 0]
    if not compiled:
        return output.sample(y.expand(times, -1), torch.from_numpy(draws)).numpy()
    found = np.array([pick(y.numpy().copy(), KINDS[output.kind], row, 1.0) for row in draws])
    return 2 * found / (output.classes - 1) - 1 if output.kind == "categorical" else found


@pytest.mark.parametrize("classes", [16, 256, 512, 1024])
def test_mu_law_and_back(classes):
    audio = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    torch.testing.assert_close(mu_law_decode(mu_law_encode(audio, classes), classes), audio, rtol=1e-9, atol=1e-9)
    output = Output(kind="categorical", classes=classes)
    labels = torch.arange(classes)
    assert torch.equal(output.label(output.sound(output.value(labels))), labels)
    error = (output.sound(output.companded(audio.float())) - audio).abs()
    assert (error <= (1 + (classes - 1) * audio.abs()) / (classes - 1) * math.log(classes) / (classes - 1) * 1.5).all()


def test_a_deaf_network_cannot_know_more_than_the_classes():
    output = OUTPUTS["mu-law"]
    y = torch.zeros(1, 10, 32)
    torch.testing.assert_close(output.log_prob(y, torch.rand(1, 10)), torch.full((1, 10), -math.log(32)))
