"""Sizes that do not fit are refused where a network is built, and the message says which, and what would fit."""

import pytest
import torch

from models.vocoders.apnet import APNet
from models.vocoders.bigvgan import BigVGAN
from models.vocoders.diffwave import DiffWave
from models.vocoders.distributions import Output
from models.vocoders.hifigan import HiFiGAN
from models.vocoders.melgan import MelGAN
from models.vocoders.nsfhifigan import NSFHiFiGAN, SourceVariant
from models.vocoders.vocos import Vocos
from models.vocoders.waveglow import WaveGlow
from models.vocoders.wavenet import Upsampling, WaveNet
from models.vocoders.wavernn import WaveRNN
from tests.conftest import make

# What each has besides the sizes that are looked at.
ALWAYS = {
    NSFHiFiGAN: {"n_mel": 8, "sample_rate": 24000},
    WaveGlow: {"n_mel": 5, "hop_size": 16, "upsample_kernel_size": 40, "n_flows": 4},
    DiffWave: {"n_mel": 5, "residual_channels": 6, "residual_layers": 4, "upsample_factors": (4, 4)},
    WaveNet: {"n_mel": 6, "sample_rate": 600, "hop_size": 6, "layers": 6, "stacks": 2, "upsampling": Upsampling(factors=(2, 3))},
    WaveRNN: {"n_mel": 6, "sample_rate": 600, "hop_size": 6, "upsample_factors": (2, 3)},
}
HOP = r"make 256 samples.*hop_size is 300.*product is 300"
SIZES = [
    *(
        row
        for model in (HiFiGAN, BigVGAN)
        for row in (
            (model, {"hop_size": 300}, HOP),
            (model, {"upsample_rates": (8, 8)}, "upsample_kernel_sizes needs one size"),
            (model, {"upsample_rates": (8,), "upsample_kernel_sizes": (4,)}, "no shorter than its rate, got 4 for 8"),
            (model, {"resblock_kernel_sizes": (3, 4, 5)}, "must be odd"),
            (model, {"resblock_kernel_sizes": (3,)}, "needs a list for each"),
            (model, {"upsample_initial_channel": 8}, "nothing is left"),
        )
    ),
    (MelGAN, {"hop_size": 300}, HOP),
    (MelGAN, {"ratios": ()}, r"ratios \[\].*must be 1 or more"),
    (
        NSFHiFiGAN,
        {"upsample_rates": (8,), "upsample_kernel_sizes": (16,), "hop_size": 8, "variant": SourceVariant(kind="pure")},
        r"needs 2 upsample_rates or more, got \[8\]",
    ),
    (Vocos, {"hop_size": 16, "n_fft": 63}, "n_fft must be even.*got 63"),
    (APNet, {"asp_resblock_kernel_sizes": (3,)}, "asp_resblock_dilation_sizes needs a list for each"),
    (APNet, {"psp_real_kernel_size": 4}, "psp_real_kernel_size must be odd.*got 4"),
    (WaveGlow, {"n_group": 7}, "n_group must be even.*7"),
    (WaveGlow, {"n_early_size": 1}, "n_early_size must be even"),
    (WaveGlow, {"n_early_every": 1, "n_flows": 5}, "4 times n_early_size 2 leaves nothing of n_group 8"),
    (WaveGlow, {"kernel_size": 4}, "kernel_size must be odd.*4"),
    (WaveGlow, {"upsample_kernel_size": 8}, "upsample_kernel_size 8 is shorter than preprocess.hop_size 16"),
    (DiffWave, {"hop_size": 20}, r"upsample_factors \[4, 4\] make 16 samples.*hop_size is 20"),
    (DiffWave, {"noise_schedule": (0.1, 1.5)}, "noise_schedule needs shares.*1.5"),
    (DiffWave, {"inference_noise_schedule": ()}, "inference_noise_schedule needs"),
    (WaveNet, {"upsampling": Upsampling(factors=(5,))}, "product is 6"),
    (WaveNet, {"stacks": 4}, "multiple of stacks"),
    (WaveNet, {"gate_channels": 7}, "even"),
    (WaveNet, {"output": Output(), "one_hot": True}, "categorical"),
    (WaveRNN, {"upsample_factors": (2, 2)}, "product is 6"),
    (WaveRNN, {"res_out_dims": 10}, "multiple of 4"),
]


@pytest.mark.parametrize("model, sizes, message", SIZES, ids=lambda value: getattr(value, "__name__", None))
def test_sizes_that_do_not_fit_say_what_to_change(model, sizes, message):
    with pytest.raises(ValueError, match=message):
        make(model, **{**ALWAYS.get(model, {"n_mel": 80}), **sizes})


@pytest.mark.parametrize("model", [HiFiGAN, BigVGAN, MelGAN, Vocos])
def test_without_a_sample_rate_it_is_a_decoder_inside_another_model(model):
    decoder = make(model, n_mel=8)
    with pytest.raises(ValueError, match="decoder inside another model"):
        decoder({"mel": torch.zeros(1, 4, 8), "audio": torch.zeros(1, 1024), "samples": torch.tensor([1024])})
