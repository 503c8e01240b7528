"""The activation of BigVGAN: its phases and its filter against plain definitions."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import modules.snake
from modules.snake import AntiAliased, Snake, low_pass
from tests.networks import stirred


def plain_activation(layer, x):
    """The definition: samples put between, activated, filtered, every second one dropped."""
    r, up, down, channels = layer.ratio, layer.upsample.filter, layer.downsample.lowpass.filter, x.shape[1]
    size = up.shape[2]
    pad = size // r - 1
    left, right = pad * r + (size - r) // 2, pad * r + (size - r + 1) // 2
    wider = F.pad(x, (pad, pad), mode="replicate")
    between = r * F.conv_transpose1d(wider, up.expand(channels, -1, -1), stride=r, groups=channels)[..., left:-right]
    ends = (size // 2 - (size % 2 == 0), size // 2)
    return F.conv1d(F.pad(layer.act(between), ends, mode="replicate"), down.expand(channels, -1, -1), stride=r, groups=channels)


@pytest.mark.parametrize("log_scale", [True, False])
@pytest.mark.parametrize("beta", [True, False])
def test_snake_is_a_line_with_a_ripple(beta, log_scale):
    layer, x = stirred(Snake(3, beta=beta, log_scale=log_scale)), torch.randn(2, 3, 9)
    alpha = layer.alpha.exp() if log_scale else layer.alpha
    divisor = alpha if not beta else layer.beta.exp() if log_scale else layer.beta
    expected = x + (alpha[:, None] * x).sin() ** 2 / (divisor[:, None] + 1e-9)
    before = x.clone()
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x[:, :, None]), expected[:, :, None])
    assert torch.equal(x, before) and ("beta" in layer.state_dict()) is beta


@pytest.mark.parametrize("ratio, size", [(2, 12), (2, 8), (3, 12), (4, 20)])
@pytest.mark.parametrize("samples", [1, 2, 7, 60])
def test_the_phases_are_the_plain_definition(ratio, size, samples, monkeypatch):
    layer = stirred(AntiAliased(Snake(5), ratio=ratio, kernel_size=size), 0.5)
    x = torch.randn(3, 5, samples)
    expected = plain_activation(layer, x)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(modules.snake, "PIECE", 3 * 5 * 4)  # four samples at a time
    with torch.no_grad():
        torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(layer(x[:, :, None]), expected[:, :, None], rtol=1e-5, atol=1e-5)


def test_the_phases_have_the_gradient_of_the_plain_definition():
    layer, x = stirred(AntiAliased(Snake(4))).double(), torch.randn(2, 4, 15, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 4, 15, dtype=torch.double)
    wanted = [x, *layer.parameters()]
    for ours, plain in zip(
        torch.autograd.grad((layer(x) * weight).sum(), wanted),
        torch.autograd.grad((plain_activation(layer, x) * weight).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(ours, plain)


# Cycles a sample, all above a quarter, so that the octave lies above half the rate. Twelve taps do not take all of it.
@pytest.mark.parametrize("tone, left", [(0.26, 0.46), (0.30, 0.3), (0.33, 0.25), (0.36, 0.3), (0.40, 0.42)])
def test_a_high_tone_folds_back_less(tone, left):
    time = torch.arange(4096.0)
    x = (1.2 * torch.sin(2 * math.pi * tone * time)).view(1, 1, -1)
    bare, layer = Snake(1), AntiAliased(Snake(1))
    alias = round((1 - 2 * tone) * 4096)  # where the octave would land

    def level(y):
        spectrum = torch.fft.rfft(y.flatten().detach() * torch.hann_window(4096)).abs()
        return spectrum[alias - 3 : alias + 4].max()

    assert level(bare(x)) > 100
    assert level(layer(x)) < left * level(bare(x))
    low = torch.sin(2 * math.pi * 0.02 * time).view(1, 1, -1)
    torch.testing.assert_close(layer(low)[..., 20:-20], bare(low)[..., 20:-20], rtol=0, atol=0.02)


def test_the_filter_is_a_kaiser_windowed_sinc():
    from scipy.signal import firwin

    attenuation = 2.285 * 5 * math.pi * 1.2 + 7.95  # dB, of 12 taps with that slope
    wanted = firwin(12, 0.5, window=("kaiser", 0.1102 * (attenuation - 8.7)))
    np.testing.assert_allclose(low_pass(0.25, 0.3, 12).numpy(), wanted, atol=1e-6)
    with pytest.raises(ValueError, match="multiple of ratio 2, two or more, got 11"):
        AntiAliased(Snake(1), kernel_size=11)


def test_the_gradient_in_training_is_that_of_the_operations():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((3, 5, 17), generator=generator, dtype=torch.float64, requires_grad=True)
    for axes in (x, x.unsqueeze(2)):
        for beta in (True, False):
            snake = Snake(5, beta=beta).double()
            for parameter in snake.parameters():
                torch.nn.init.normal_(parameter, generator=generator)
            assert torch.autograd.gradcheck(lambda sound, *_: snake(sound), (axes, *snake.parameters()))  # noqa: B023
            with torch.no_grad():
                kept = snake(axes)
            assert torch.equal(snake(axes), kept)
