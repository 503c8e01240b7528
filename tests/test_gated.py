"""The gated stack of WaveGlow and its kin: against the plain formula, with and without gradients."""

import pytest
import torch

from modules.gated import GatedStack, gate
from modules.planes import planes


def test_the_stack_is_the_plain_formula():
    stack = GatedStack(channels=6, kernel_size=5, dilations=(1, 3, 2), condition_channels=4).eval()
    x, condition = torch.randn(2, 6, 21), torch.randn(2, 4, 21)
    h, total, shares = x, 0, stack.cond_layer(condition).chunk(3, 1)
    for into, out, share in zip(stack.in_layers, stack.res_skip_layers, shares, strict=True):
        a, b = (into(h) + share).chunk(2, 1)
        both = out(torch.tanh(a) * torch.sigmoid(b))
        if both.shape[1] == 12:
            h = h + both[:, :6]
        total = total + both[:, -6:]
    torch.testing.assert_close(stack(planes(x), planes(condition)).squeeze(2), total)
    with torch.inference_mode():
        torch.testing.assert_close(stack(planes(x), planes(condition)).squeeze(2), total, rtol=1e-5, atol=1e-5)
    assert stack.reach == 2 * (1 + 3 + 2)


@pytest.mark.parametrize("tanh_first", [True, False])
def test_the_quick_gate_is_the_plain_one(tanh_first):
    hidden = torch.linspace(-12, 12, 2 * 8 * 50).reshape(2, 8, 1, 50)
    plain = gate(hidden.clone(), tanh_first=tanh_first)
    first, second = hidden.chunk(2, 1)
    wanted = first.tanh() * second.sigmoid() if tanh_first else first.sigmoid() * second.tanh()
    torch.testing.assert_close(plain, wanted)
    with torch.inference_mode():
        torch.testing.assert_close(gate(hidden.clone(), tanh_first=tanh_first), wanted, rtol=0, atol=5e-7)
