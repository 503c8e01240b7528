"""Diffusion: every sampler led by an exact network to the distribution that it knows, and what training draws."""

import math

import numpy as np
import pytest
import torch

from modules.diffusion import SAMPLERS, Course, Diffusion, StepEmbedding, betas_of, drop_condition, geometric_frequencies, guided
from modules.karras import Karras
from modules.noise import Noise, Series, placed

MEAN = 3.0
STD = 1.3
BETAS = betas_of("linear", steps=1000, start=1e-4, end=0.02)


def exact(diffusion):
    """What a perfect network predicts where the clean signal is normal, of MEAN and STD."""
    roots = np.sqrt(diffusion.levels)

    def network(noisy, position):
        root = float(np.interp(position, np.arange(len(roots)), roots))
        variance = 1 - root**2
        gain = root * STD**2 / (root**2 * STD**2 + variance)
        clean = MEAN + gain * (noisy - root * MEAN)
        epsilon = (noisy - root * clean) / math.sqrt(variance)
        velocity = root * epsilon - math.sqrt(variance) * clean
        return {"epsilon": epsilon, "sample": clean, "v_prediction": velocity}[diffusion.prediction]

    return network


def sampled(diffusion, **options):
    return diffusion.sample(exact(diffusion), (4000, 10), Noise(0), **options)


# How near a sampler of finite steps comes to the deviation: DDPM and DDIM are of first order, the others of higher.
ENOUGH = {"ddpm": (50, 0.1), "ddim": (50, 0.06), "pndm": (12, 0.05), "dpmsolver++": (12, 0.05), "unipc": (10, 0.05)}


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_gives_the_distribution_that_the_network_knows(sampler, prediction):
    diffusion = Diffusion(BETAS, prediction=prediction)
    steps, tolerance = ENOUGH[sampler]
    for count in (steps, 7 * steps, 600):  # the last does not divide the steps of training
        batch = sampled(diffusion, steps=count, sampler=sampler)
        assert batch.mean().item() == pytest.approx(MEAN, abs=0.06), count
        assert batch.std().item() == pytest.approx(STD, abs=tolerance), count


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_step_gives_the_mean_and_not_the_noise(sampler):
    batch = sampled(Diffusion(BETAS), steps=1, sampler=sampler)
    assert batch.mean().item() == pytest.approx(MEAN, abs=0.01)
    assert batch.std().item() < 0.05


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_walk_may_begin_part_way_from_a_start_brought_to_that_noise(sampler):
    """The exact network leads it to the distribution as if it had walked all the way."""
    diffusion = Diffusion(BETAS)
    steps, tolerance = ENOUGH[sampler]
    start = MEAN + STD * torch.randn(4000, 10, generator=torch.Generator().manual_seed(1))
    for skip in (steps // 3, 0):
        batch = sampled(diffusion, steps=steps, sampler=sampler, course=Course(start=start, skip=skip))
        assert batch.mean().item() == pytest.approx(MEAN, abs=0.06), skip
        assert batch.std().item() == pytest.approx(STD, abs=tolerance), skip
    late = sampled(diffusion, steps=steps, sampler=sampler, course=Course(start=start, skip=steps - 1))
    assert (late - start).std() < 0.6 * STD, "of a short walk the start is left"
    with pytest.raises(ValueError, match=f"of {steps} none is left"):
        sampled(diffusion, steps=steps, sampler=sampler, course=Course(start=start, skip=steps))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_known_of_the_outcome_is_put_in_after_each_step(sampler):
    """At the noise of that step: each batch has the energy that the schedule says, and the outcome what was known."""
    diffusion = Diffusion(BETAS)
    known = torch.full((4000, 10), MEAN)
    noise = torch.randn(4000, 10, generator=torch.Generator().manual_seed(1))
    seen = []

    def pin(batch, level):
        seen.append(level)
        batch[:, 0] = diffusion.noisy(known, noise, level)[:, 0]
        assert batch[:, 1:].std().item() == pytest.approx(math.sqrt(level * STD**2 + 1 - level), abs=0.3), level
        return batch

    batch = sampled(diffusion, steps=20, sampler=sampler, course=Course(pin=pin))
    assert seen[-1] == 1.0 and seen == sorted(seen)
    torch.testing.assert_close(batch[:, 0], known[:, 0])


def test_losses_are_weighed_by_what_is_left_of_the_signal():
    """Those of clean steps count less, as the weight times the error of the noise is that of the signal, bounded."""
    steps = torch.tensor([0, 200, 999])
    levels = torch.tensor(Diffusion(BETAS).levels).float()[steps]
    ratio = levels / (1 - levels)
    weights = Diffusion(BETAS).snr_weights(steps, 5.0)
    torch.testing.assert_close(weights * ratio, ratio.clamp(max=5.0))
    velocity = Diffusion(BETAS, prediction="v_prediction")
    torch.testing.assert_close(velocity.snr_weights(steps, 5.0), ratio.clamp(max=5.0) / (ratio + 1))
    torch.testing.assert_close(velocity.snr_weights(steps, 5.0, of="epsilon"), weights)
    torch.testing.assert_close(Diffusion(BETAS, prediction="sample").snr_weights(steps, 5.0), ratio.clamp(max=5.0))


def test_a_step_of_ddpm_is_the_posterior():
    diffusion = Diffusion(np.linspace(1e-4, 0.05, 50))
    respacing = diffusion.respaced(2)
    before, level = respacing.levels
    noise = {name: torch.randn(1, 5) for name in ("0", "1")}
    seen = []

    def network(noisy, position):
        seen.append((position, noisy))
        return 0.1 * noisy

    diffusion.sample(network, (1, 5), Noise(given=noise), steps=respacing, sampler="ddpm")
    start = noise["0"]
    clean = (start - (1 - level) ** 0.5 * 0.1 * start) / level**0.5
    kept = level / before
    mean = (before**0.5 * (1 - kept) * clean + kept**0.5 * (1 - before) * start) / (1 - level)
    deviation = ((1 - kept) * (1 - before) / (1 - level)) ** 0.5
    assert [position for position, _ in seen] == [49, 24]
    torch.testing.assert_close(seen[1][1], (mean + deviation * noise["1"]).float())


def test_levels_that_training_never_had_are_found_between_its_steps():
    diffusion = Diffusion(BETAS)
    roots = np.sqrt(diffusion.levels)
    between = (0.25 * roots[10] + 0.75 * roots[11]) ** 2
    np.testing.assert_allclose(diffusion.respaced_at(np.array([between])).positions, [10.75])


def test_steps_are_spread_from_the_end_or_from_the_beginning():
    diffusion = Diffusion(BETAS)
    assert diffusion.respaced(4).positions.tolist() == [249, 499, 749, 999]
    assert diffusion.respaced(4, "leading").positions.tolist() == [0, 250, 500, 750]
    np.testing.assert_allclose(diffusion.respaced(1000).betas, BETAS, rtol=1e-6)


def test_each_step_can_be_clamped():
    batch = sampled(Diffusion(BETAS), steps=10, sampler="ddim", clamp=(-1.0, 1.0))
    assert batch.abs().max() <= 1


@pytest.mark.parametrize("steps", [0, 1001])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_number_of_steps_that_cannot_be_is_named(sampler, steps):
    with pytest.raises(ValueError, match=f"steps: 1 to 1000.*{steps}"):
        sampled(Diffusion(BETAS), steps=steps, sampler=sampler)


def test_a_sampler_that_there_is_not_is_named_with_the_choices():
    with pytest.raises(ValueError, match="'euler'.*ddpm, ddim, pndm"):
        sampled(Diffusion(BETAS), steps=3, sampler="euler")
    diffusion = Diffusion(BETAS)
    with pytest.raises(ValueError, match="unipc walks the steps of training"):
        sampled(diffusion, steps=diffusion.respaced(3), sampler="unipc")


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
def test_the_target_is_what_samplers_expect(prediction):
    from diffusers import DDPMScheduler

    diffusion = Diffusion(BETAS, prediction=prediction)
    clean = torch.randn(3, 4, 5)
    noise = torch.randn(3, 4, 5)
    steps = torch.tensor([0, 300, 999])
    theirs = DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02)
    torch.testing.assert_close(diffusion.mix(clean, noise, steps), theirs.add_noise(clean, noise, steps))
    wanted = {"epsilon": noise, "sample": clean, "v_prediction": theirs.get_velocity(clean, noise, steps)}
    torch.testing.assert_close(diffusion.target(clean, noise, steps), wanted[prediction])


def test_validation_draws_the_same_whatever_the_padding():
    diffusion = Diffusion(BETAS)
    lengths = torch.tensor([5, 3])
    steps, noise = diffusion.draw(torch.zeros(2, 5, 4), lengths, training=False)
    padded_steps, padded = diffusion.draw(torch.zeros(2, 9, 4), lengths, training=False)
    assert torch.equal(steps, padded_steps)
    assert torch.equal(padded[:, :5], noise)
    assert not noise[1, 3:].any() and not padded[:, 5:].any()
    _, other = diffusion.draw(torch.zeros(2, 5, 4), lengths, training=True)
    assert not torch.equal(other, noise)


# Guidance


def test_guidance_moves_the_prediction_along_the_condition():
    def network(batch, position, condition):
        return batch * 0 + condition * position

    batch = torch.randn(2, 3)
    condition = torch.ones(2, 3)
    empty = torch.full((2, 3), 0.25)
    torch.testing.assert_close(guided(network, condition, empty, 1.0)(batch, 2.0), torch.full((2, 3), 2.0))
    torch.testing.assert_close(guided(network, condition, empty, 3.0)(batch, 2.0), torch.full((2, 3), 0.5 + 3 * 1.5))


def test_a_share_of_the_conditions_is_dropped_row_by_row():
    condition = torch.ones(4000, 2, 3)
    dropped = drop_condition(condition, torch.zeros(2, 3), 0.1, Noise(0))
    rows = dropped.mean((1, 2))
    assert set(rows.tolist()) == {0.0, 1.0}
    assert 1 - rows.mean().item() == pytest.approx(0.1, abs=0.02)


# Levels of noise


def denoised(batch, sigma):
    """What a perfect network says of a clean signal that is normal, of MEAN and STD."""
    level = sigma[:, None]
    return MEAN + STD**2 / (STD**2 + level**2) * (batch - MEAN)


@pytest.mark.parametrize("method, steps, tolerance", [("heun", 18, 0.1), ("heun", 60, 0.02), ("euler", 200, 0.03)])
def test_the_probability_flow_ends_at_the_signal(method, steps, tolerance):
    karras = Karras()
    start = karras.sigma_max * Noise(0).normal(4000, 10)
    batch = karras.sample(denoised, start, steps, method)
    assert batch.mean().item() == pytest.approx(MEAN, abs=0.1)
    assert batch.std().item() == pytest.approx(STD, abs=tolerance)


def test_the_levels_are_those_of_the_paper():
    karras = Karras()
    sigmas = karras.sigmas(18)
    assert len(sigmas) == 19 and sigmas[-1] == 0
    torch.testing.assert_close(sigmas[[0, 17]], torch.tensor([80.0, 0.002]))
    torch.testing.assert_close(sigmas[9], torch.tensor((80 ** (1 / 7) + 9 / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7))
    drawn = karras.draw(20000, Noise(0)).log()
    assert (drawn.mean().item(), drawn.std().item()) == pytest.approx((-1.2, 1.2), abs=0.05)
    with pytest.raises(ValueError, match="steps: 1 or more.*0"):
        karras.sigmas(0)


def test_scaled_so_the_network_meets_deviation_one_and_its_error_counts_alike():
    karras = Karras(sigma_data=0.7)
    generator = torch.Generator().manual_seed(0)
    clean = 0.7 * torch.randn(3, 50000, generator=generator)
    sigma = torch.tensor([0.01, 1.0, 50.0])
    noisy = clean + sigma[:, None] * torch.randn(3, 50000, generator=generator)
    seen = {}

    def network(batch, level, condition):
        seen.update(batch=batch, level=level, condition=condition)
        return torch.ones_like(batch)

    with_one = karras.denoise(network, noisy, sigma, "told")
    with_none = karras.denoise(lambda batch, level: torch.zeros_like(batch), noisy, sigma)
    torch.testing.assert_close(seen["batch"].std(1), torch.ones(3), rtol=0.02, atol=0)
    torch.testing.assert_close(seen["level"], sigma.log() / 4)
    assert seen["condition"] == "told"
    # What the network's output is multiplied by, squared, times the weight of the loss, is one at every level.
    torch.testing.assert_close((with_one - with_none)[:, 0].square() * karras.weight(sigma), torch.ones(3))


def test_a_consistency_model_gives_the_clean_batch_back_and_samples_at_once():
    karras = Karras(consistent=True)
    batch = torch.randn(2, 5)
    least = torch.full((2,), karras.sigma_min)
    same = karras.denoise(lambda noisy, level: 7 * torch.ones_like(noisy), batch, least)
    torch.testing.assert_close(same, batch)

    asked = []

    def consistent(noisy, sigma):
        asked.append(sigma[0].item())
        return MEAN + STD * (noisy - MEAN) / (STD**2 + sigma[:, None] ** 2).sqrt()

    start = MEAN + (STD**2 + 80.0**2) ** 0.5 * Noise(1).normal(4000, 10)
    for steps in (1, 3):
        asked.clear()
        clean = karras.sample_consistently(consistent, start, steps, Noise(2))
        assert len(asked) == steps
        assert clean.std().item() == pytest.approx(STD, abs=0.03)
        assert clean.mean().item() == pytest.approx(MEAN, abs=0.05)


@pytest.mark.parametrize(("draw", "most"), [(Noise, 2**64 - 1), (lambda seed: placed(seed, 0, 3, 2), 2**40 - 1)])
def test_a_seed_that_is_too_large_is_named(draw, most):
    draw(most)
    with pytest.raises(ValueError, match=f"seed: 0 to {most} are possible, got {most + 1}"):
        draw(most + 1)


# Steps as vectors


def test_the_waves_of_a_step():
    frequencies = geometric_frequencies(4)
    torch.testing.assert_close(frequencies, torch.tensor([1.0, 0.1, 0.01, 0.001]))
    for cosine_first in (False, True):
        embedding = StepEmbedding(frequencies, 6, cosine_first=cosine_first)
        waves = embedding.waves(torch.tensor([0.0, 2.5]))
        sines, cosines = waves.chunk(2, 1)
        if cosine_first:
            sines, cosines = cosines, sines
        torch.testing.assert_close(sines[1], (2.5 * frequencies).sin())
        torch.testing.assert_close(cosines[1], (2.5 * frequencies).cos())
        assert embedding(torch.tensor([3])).shape == (1, 6)
        assert "frequencies" not in embedding.state_dict()


# Numbers by chance


def test_noise_of_a_seed_is_the_same_and_without_one_is_torchs_own():
    first, again = Noise(3), Noise(3)
    assert torch.equal(first.normal(4), again.normal(4)) and torch.equal(first.uniform(4), again.uniform(4))
    assert not torch.equal(Noise(3).normal(4), Noise(4).normal(4))
    torch.manual_seed(5)
    drawn = Noise().normal(4)
    torch.manual_seed(5)
    assert torch.equal(torch.randn(4), drawn)
    like = Noise.like(torch.zeros(1, dtype=torch.float64), 3)
    assert like.normal(4).dtype == torch.float64
    assert torch.equal(Noise(given={"prior": torch.ones(2)}).normal(2, name="prior"), torch.ones(2))


def test_placed_noise_does_not_depend_on_the_pieces():
    whole = placed(7, 0, 300, 5)
    pieces = [placed(7, first, last, 5) for first, last in ((0, 10), (10, 64), (64, 65), (65, 300))]
    assert torch.equal(torch.cat(pieces), whole)
    assert not torch.equal(placed(8, 0, 300, 5), whole)


def test_a_series_does_not_depend_on_how_many_are_asked_for_at_a_time():
    whole, parts = Series(1), Series(1)
    pieces = [parts.normal(count, 3) for count in (1, 20, 4)]
    assert np.array_equal(np.concatenate(pieces), whole.normal(25, 3))
    assert np.array_equal(np.concatenate([parts.uniform(2), parts.uniform(7)]), whole.uniform(9))
