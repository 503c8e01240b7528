"""The UNet of latent diffusion: against that of diffusers, at odd sizes, with masks, and what it says of bad sizes."""

import pytest
import torch

from models.base.task import fit_weights
from models.upstream.unet_maps import from_diffusers, from_original
from modules import winograd
from modules.unet import UNet, UNetCondition, UNetSizes
from modules.winograd import Conv1x1, Conv3x3
from utils.config import build

SIZES = UNetSizes(widths=(8, 16), blocks=1, attention=(False, True), heads=2, groups=4)
# As in PicoAudio: cross attention to a context, on some of the levels, with linear layers before and after.
PICO = {
    "in_channels": 6,
    "out_channels": 4,
    "block_out_channels": [8, 16, 16],
    "layers_per_block": 2,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 12,
    "attention_head_dim": [1, 2, 4],
    "use_linear_projection": True,
    "norm_num_groups": 4,
}
# As in the AudioLDM of diffusers: a vector with the step, and no context.
FILM = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": [8, 16],
    "attention_head_dim": 2,
    "class_embed_type": "simple_projection",
    "projection_class_embeddings_input_dim": 6,
    "class_embeddings_concat": True,
    "norm_num_groups": 4,
}


def random(network):
    """Weights that all have a say, as layers that begin as zero have none."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        parameter.data = 0.3 * drawn
    return network.eval()


def diffusers_unet(config):
    from diffusers import UNet2DConditionModel

    return random(UNet2DConditionModel(**config))


def ours(theirs):
    """Our UNet, with the settings and weights of one of diffusers."""
    arguments, state = from_diffusers(theirs.config, theirs.state_dict())
    network = build(UNet, arguments).eval()
    fit_weights(network, state, "diffusers")
    return network


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("size", [(8, 4), (9, 5)])
def test_with_a_vector_it_is_the_audioldm_of_diffusers(joined, size):
    theirs = diffusers_unet({**FILM, "class_embeddings_concat": joined})
    x = torch.randn(2, 4, *size)
    steps = torch.tensor([3, 700])
    vector = torch.randn(2, 6)
    with torch.no_grad():
        wanted = theirs(x, steps, encoder_hidden_states=None, class_labels=vector).sample
        made = ours(theirs)(x, steps, vector=vector)
    torch.testing.assert_close(made, wanted, atol=1e-4, rtol=1e-4)


def test_with_a_context_it_is_the_picoaudio_of_diffusers():
    theirs = diffusers_unet(PICO)
    x = torch.randn(2, 6, 11, 6)
    steps = torch.tensor([3, 700])
    context = torch.randn(2, 5, 12)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    with torch.no_grad():
        wanted = theirs(x, steps, encoder_hidden_states=context, encoder_attention_mask=mask).sample
        made = ours(theirs)(x, steps, context=context, mask=mask)
    torch.testing.assert_close(made, wanted, atol=1e-4, rtol=1e-4)


def test_what_a_mask_hides_has_no_say():
    network = random(UNet(in_channels=4, out_channels=4, sizes=SIZES, condition=UNetCondition(context=6)))
    x = torch.randn(1, 4, 5, 7)
    steps = torch.tensor([10])
    context = torch.randn(1, 4, 6)
    mask = torch.tensor([[True, True, False, False]])
    with torch.no_grad():
        made = network(x, steps, context=context, mask=mask)
        torch.testing.assert_close(network(x, steps, context=context[:, :2]), made)
        assert not torch.allclose(network(x, steps, context=context), made)
    assert made.shape == x.shape, "an odd size comes out as it went in"


@pytest.mark.parametrize("crop", ["after", "before"])
@pytest.mark.parametrize("context", [None, 6])
@pytest.mark.parametrize("size", [(5, 7), (8, 3), (1, 9)])
def test_a_shorter_map_of_a_batch_is_as_it_is_alone(size, context, crop):
    sizes = UNetSizes(widths=(8, 16, 16), blocks=1, attention=(True, True, False), heads=2, groups=4, crop=crop)
    net = random(UNet(in_channels=3, out_channels=3, sizes=sizes, condition=UNetCondition(context=context)))
    height, width = size
    maps = torch.randn(2, 3, height, width + 6)
    inside = torch.ones(2, 1, height, width + 6)
    inside[0, :, :, width:] = 0
    steps = torch.tensor([3, 500])
    condition = {} if context is None else {"context": torch.randn(2, 4, context)}
    alone = net(maps[:1, :, :, :width], steps[:1], **{name: value[:1] for name, value in condition.items()})
    together = net(maps, steps, **condition, inside=inside)
    torch.testing.assert_close(together[:1, :, :, :width], alone, rtol=1e-4, atol=1e-4)
    longest = net(maps[1:], steps[1:], **{name: value[1:] for name, value in condition.items()})
    torch.testing.assert_close(together[1:], longest, rtol=1e-4, atol=1e-4)
    unmasked = net(maps, steps, **condition)
    assert (unmasked[:1, :, :, :width] - alone).abs().max() > 1e-2


def test_activations_that_are_not_kept_give_the_same_gradients():
    gradients = []
    for keep_less in (False, True):
        sizes = UNetSizes(widths=(8, 16), blocks=1, attention=(False, True), heads=2, groups=4, keep_less=keep_less)
        network = random(UNet(in_channels=4, out_channels=4, sizes=sizes)).train()
        x = torch.ones(2, 4, 4, 4)
        network(x, torch.tensor([1, 900])).square().mean().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(*gradients)


def test_it_begins_as_a_network_that_predicts_hardly_anything():
    network = UNet(in_channels=4, out_channels=4, sizes=SIZES)
    x = torch.randn(1, 4, 6, 6)
    assert network(x, torch.tensor([5])).abs().max() < 0.05


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"widths": (8, 18)}, "widths: 18 channels are not divisible by the 4 groups"),
        ({"heads": 3}, "heads: 16 channels cannot be shared by 3 heads"),
        ({"heads": (1, 2, 4)}, "one number for each of the 2 widths"),
        ({"attention": (True,)}, "attention: one truth value for each of the 2 widths"),
    ],
)
def test_sizes_that_do_not_fit_together_are_named(sizes, message):
    own = {"widths": (8, 16), "blocks": 1, "attention": (False, True), "heads": 2, "groups": 4}
    with pytest.raises(ValueError, match=message):
        UNet(in_channels=4, out_channels=4, sizes=UNetSizes(**{**own, **sizes}))


def test_a_condition_of_another_width_is_named():
    network = UNet(in_channels=4, out_channels=4, sizes=SIZES, condition=UNetCondition(context=6))
    x = torch.zeros(1, 4, 4, 4)
    steps = torch.tensor([5])
    with pytest.raises(ValueError, match="context: the network reads 6 channels, and was given 7"):
        network(x, steps, context=torch.zeros(1, 2, 7))
    with pytest.raises(ValueError, match="context: the network reads 6 channels, and was given none"):
        network(x, steps)
    with pytest.raises(ValueError, match="vector: the network reads no channels, and was given 3"):
        network(x, steps, context=torch.zeros(1, 2, 6), vector=torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"act_fn": "relu"}, "act_fn is 'relu': only 'silu' is built here"),
        ({"down_block_types": ["DownBlock2D", "AttnDownBlock2D"]}, "AttnDownBlock2D"),
        ({"up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]}, "do not mirror"),
        ({"class_embed_type": "timestep"}, "simple_projection"),
        ({"layers_per_block": [1, 2]}, "one number for all levels"),
    ],
)
def test_parts_of_diffusers_that_are_not_built_are_named(changed, message):
    with pytest.raises(ValueError, match=message):
        from_diffusers({**FILM, **changed}, {})


def test_parts_of_the_original_that_are_not_built_are_named():
    params = {"model_channels": 8, "channel_mult": [1], "attention_resolutions": [1], "num_res_blocks": 1, "num_heads": 2}
    with pytest.raises(ValueError, match="use_scale_shift_norm is True: only False is built here"):
        from_original({**params, "use_scale_shift_norm": True}, {})


@pytest.mark.parametrize(("size", "way"), [((16, 16), "winograd"), ((33, 13), "winograd"), ((1, 1), "by_windows"), ((7, 3), "by_windows")])
def test_a_convolution_in_a_faster_way_is_the_direct_one(size, way, monkeypatch):
    """For weights as they are, and as they have become."""
    ways = []
    for name in ("winograd", "by_windows"):
        chosen = getattr(winograd, name)
        monkeypatch.setattr(winograd, name, lambda *inputs, name=name, chosen=chosen: (ways.append(name), chosen(*inputs))[1])
    layer = Conv3x3(5, 7)
    x = torch.randn(2, 5, *size)
    for _ in range(2):
        direct = torch.nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
        with torch.inference_mode():
            made = layer(x)
        torch.testing.assert_close(made, direct.detach(), atol=2e-5, rtol=1e-5)
        with torch.no_grad():
            layer.weight.mul_(2)
    assert ways == [way, way]
    assert torch.equal(layer(x), torch.nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)) and len(ways) == 2, "training is plain"


def test_a_convolution_of_one_place_is_a_matrix_product():
    layer = Conv1x1(5, 7)
    x = torch.randn(2, 5, 4, 3).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(x), torch.nn.functional.conv2d(x, layer.weight, layer.bias))
