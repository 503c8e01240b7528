"""What Amphion calls its GAN, flow and diffusion vocoders, alone and inside other models, and how each is read."""

from __future__ import annotations

from typing import Any

from models.upstream.common import State
from models.upstream.jik876 import hifigan_sizes
from modules.norm import modern_keys
from utils.registry import pick

# What `model.generator` names: our model, and what turns (config, state) into its arguments and weights.
GENERATORS = {
    "hifigan": ("HiFiGAN", "models.upstream.amphion_vocoders:hifigan"),
    "bigvgan": ("BigVGAN", "models.upstream.nvidia_bigvgan:amphion_bigvgan"),
    "melgan": ("MelGAN", "models.upstream.descriptinc:amphion_melgan"),
    "nsfhifigan": ("NSFHiFiGAN", "models.upstream.amphion_vocoders:nsfhifigan"),
    "apnet": ("APNet", "models.upstream.yangai520:amphion_apnet"),
    "vocos": ("Vocos", "models.upstream.vocos:amphion_generator"),
    "waveglow": ("WaveGlow", "models.upstream.nvidia_waveglow:amphion_waveglow"),
    "diffwave": ("DiffWave", "models.upstream.lmnt:amphion_diffwave"),
}


def generator(config: dict[str, Any]) -> tuple[str, str]:
    """The row of `GENERATORS` that `model.generator` names."""
    return pick(GENERATORS, config["model"].get("generator", "hifigan").lower(), "generator")


def hifigan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `hifigan` of Amphion's GAN vocoders; `tfr_enhanced_hifigan` differs in sizes alone."""
    return hifigan_sizes(config["model"]["hifigan"]), modern_keys(state)


def nsfhifigan(config: dict[str, Any], state: State) -> tuple[dict[str, Any], State]:
    """The generator `nsfhifigan`, whose weights never heard the source: its sum was lost by mistake."""
    from models.upstream.openvpi import our_names

    c = config["model"]["nsfhifigan"]
    arguments = hifigan_sizes(c) | {"harmonics": c.get("harmonic_num", 8), "variant": {"phases": "frame", "ignores_f0": True}}
    return arguments, our_names(state)
