"""Diffusion in continuous time: against distributions of which the whole way from noise is known."""

import pytest
import torch

from modules.continuous import Continuous, StraightFlow, VariancePreserving, draw_times, sample
from modules.noise import Noise

SPREAD = 0.3  # deviation of the clean numbers, which are normal


def best_guess(process, noisy, time):
    """The clean numbers that a perfect network says."""
    signal = process.signal(time)
    deviation = process.deviation(time)
    share = signal * SPREAD**2 / (signal**2 * SPREAD**2 + deviation**2)
    return share * noisy


def spread_after(steps, solver, **how):
    """The deviation that sampling from a perfect network comes to, and how far the samples are off their way."""
    process = VariancePreserving()
    begin = torch.linspace(-2, 2, 41).double()[None]
    slope = lambda noisy, time: process.slope(best_guess(process, noisy, time), noisy, time)  # noqa: E731
    end = sample(slope, begin, steps, solver, **how)
    right = SPREAD * begin  # a variance preserving flow maps quantile to quantile
    return (end - right).abs().max().item()


def test_sampling_follows_the_way_and_the_midpoint_is_nearer_to_it():
    errors = {solver: [spread_after(steps, solver) for steps in (20, 80, 320)] for solver in ("euler", "midpoint")}
    for row in errors.values():
        assert row[0] > row[1] > row[2] and row[2] < 0.01
    assert errors["midpoint"][1] < 0.7 * errors["euler"][1]
    assert spread_after(80, "midpoint", swapped=True) > 1.5 * errors["midpoint"][1], "what Amphion does is farther off"


def test_a_straight_flow_comes_back_in_one_step():
    process = StraightFlow()
    clean, noise = torch.randn(2, 3, 4, 5)
    time = torch.tensor([0.2, 0.5, 0.9])
    noisy = process.mix(clean, noise, time)
    reading = process.reading(noise - clean, noise, noisy, time)
    torch.testing.assert_close(reading["clean"], clean)
    torch.testing.assert_close(reading["flow"], process.targets(clean, noise)["flow"])
    back = sample(lambda batch, at: process.slope(noise - clean, batch, at), noise, 1, "midpoint")
    torch.testing.assert_close(back, clean)


@pytest.mark.parametrize("settings", [{}, {"sigma": 0.7, "noise_factor": 1.3}])
def test_what_is_mixed_in_is_found_again(settings):
    process = VariancePreserving(**settings)
    clean, noise = torch.randn(2, 3, 4, 5)
    time = torch.tensor([0.1, 0.5, 1.0])
    noisy = process.mix(clean, noise, time)
    torch.testing.assert_close(process.reading(clean, noise, noisy, time)["noise"], noise, rtol=1e-3, atol=1e-4)
    whole = process.deviation(torch.ones(1))
    torch.testing.assert_close(whole, torch.tensor([process.sigma]), rtol=1e-4, atol=0)


@pytest.mark.parametrize("settings", [{}, {"sigma": 0.7, "noise_factor": 1.3}])
def test_the_slope_is_that_of_what_is_mixed(settings):
    process = VariancePreserving(**settings)
    clean, noise = torch.randn(2, 3, 4, 5).double()
    time = torch.tensor([0.1, 0.5, 0.9]).double()
    later, earlier = (process.mix(clean, noise, time + change) for change in (1e-5, -1e-5))
    slope = process.slope(clean, process.mix(clean, noise, time), time)
    torch.testing.assert_close(slope, (later - earlier) / 2e-5, rtol=1e-4, atol=1e-5)


def test_times_and_steps():
    times = draw_times(1000, Noise(0))
    assert 0 < times.min() < 0.01 and 0.99 < times.max() < 1
    assert isinstance(Continuous(process="flow").chosen, StraightFlow)
    with pytest.raises(ValueError, match="steps: 1 or more are needed, got 0"):
        sample(lambda batch, at: batch, torch.zeros(1, 1), 0)
