"""Every published key and shape has its place: the manifests of the parity kit, a family a row."""

import fnmatch
import json
import math
import re

import pytest
import torch
from torch import nn

from models.base.discriminators import Discriminators
from models.base.task import fit_weights
from models.codec.facodec import FACodec
from models.tta.audioldm import AudioLDM
from models.tta.autoencoderkl import AutoencoderKL
from models.tts.fastspeech2 import FastSpeech2
from models.tts.jets import Jets
from models.tts.naturalspeech2 import NaturalSpeech2
from models.tts.valle import VALLE
from models.tts.vits import VITS
from models.upstream import (
    audioldm,
    autoencoder_maps,
    facodec,
    facodec_24khz,
    fastspeech2_maps,
    fatchord,
    naturalspeech2_maps,
    r9y9,
    unet_maps,
    vits_maps,
)
from models.upstream.amphion_vocoders import hifigan as amphion_hifigan
from models.upstream.jets_maps import from_amphion as amphion_jets
from models.upstream.jik876 import hifigan_sizes
from models.upstream.lmnt import lmnt_diffwave
from models.upstream.parallel_wavegan import pwg_hifigan
from models.upstream.valle_maps import from_published
from models.upstream.vocos import amphion_vocos, gemelo_vocos
from models.upstream.yangai520 import amphion_apnet, apnet_sizes
from models.vocoders.apnet import APNet
from models.vocoders.bigvgan import BigVGAN
from models.vocoders.diffwave import DiffWave
from models.vocoders.hifigan import HiFiGAN
from models.vocoders.melgan import MelGAN
from models.vocoders.vocos import Vocos
from models.vocoders.waveglow import WaveGlow
from models.vocoders.wavenet import WaveNet
from models.vocoders.wavernn import WaveRNN
from modules.discriminators.vits import VITSDiscriminator
from modules.norm import fold, modern_keys
from modules.unet import UNet
from processors.filters import filter_bank
from tests.conftest import SHARED
from tests.parity import bigvgan, diffwave, discriminators, melgan, nsfhifigan, waveglow
from tests.parity.hifigan import vits_hifigan
from utils.config import build

SPEECH = {"sample_rate": 22050, "hop_size": 256}


def built(model, arguments, facts):
    """A model from what a reader says, by way of JSON as in a card: on the device "meta", where nothing is drawn."""
    with torch.device("meta"):
        return build(model, json.loads(json.dumps(arguments)), facts)


def hifigan_of(manifest, state):
    config = manifest["config"]
    if manifest["source"] == "kan-bayashi":
        (arguments, state), n_mel = pwg_hifigan(config, state), config["in_channels"]
    elif "initial_channel" in config:
        (arguments, state), n_mel = vits_hifigan(config, state), config["initial_channel"]
    elif manifest["source"] == "amphion":
        (arguments, state), n_mel = amphion_hifigan(config, state), config["preprocess"]["n_mel"]
    else:
        arguments, state, n_mel = hifigan_sizes(config), modern_keys(state), 80
    return built(HiFiGAN, arguments, {"n_mel": n_mel}), state


def bigvgan_of(manifest, state):
    arguments, state, bands = bigvgan.translate(manifest["config"], state)
    return built(BigVGAN, arguments, {"n_mel": bands}), state


def melgan_of(manifest, state):
    arguments, state, bands = melgan.translate(manifest["source"], manifest["config"], state)
    return built(MelGAN, arguments, {"n_mel": bands}), state


def nsfhifigan_of(manifest, state):
    model, state = nsfhifigan.ours(manifest["config"], state, manifest["source"])
    assert math.prod(manifest["config"].get("upsample_rates", [256])) == model.samples_per_frame
    return model, state


def waveglow_of(manifest, state):
    return built(WaveGlow, *waveglow.sizes(manifest["config"])), modern_keys(state)


def diffwave_of(manifest, state):
    model = built(DiffWave, *diffwave.sizes(manifest["config"], {}))
    assert lmnt_diffwave({}, state)[0]["residual_layers"] == len(model.residual_layers)
    return model, state


def wavenet_of(manifest, state):
    translate = r9y9.amphion if manifest["source"] == "amphion" else r9y9.wavenet
    arguments, facts, state = translate(manifest["config"], state)
    hop = math.prod(arguments["upsampling"]["factors"])
    return built(WaveNet, arguments, facts | {"sample_rate": 22050, "hop_size": hop}), state


def wavernn_of(manifest, state):
    translate = fatchord.amphion if manifest["source"] == "amphion" else fatchord.wavernn
    arguments, facts, state = translate(manifest["config"], state)
    hop = math.prod(arguments["upsample_factors"])
    return built(WaveRNN, arguments, facts | {"sample_rate": 22050, "hop_size": hop}), state


def gemelo_of(manifest, state):
    tables = tables_of(state)
    kept = {key: value for key, value in tables.items() if key in state}
    state = state | kept
    arguments, facts, _, weights = gemelo_vocos(manifest["config"], state)
    sizes = {name: facts[name] for name in ("n_mel", "hop_size")}
    model = built(Vocos, arguments, sizes)
    codec = {key for key in state if ".encodec." in key}
    foreign = codec | set(manifest["buffers"])
    ours = [value for key, value in state.items() if key not in foreign]
    manifest["param_count"] = sum(value.numel() for value in ours)
    if "codebook_weights" in weights:
        assert model.codebook_weights.shape == (16 * 1024, 128)
    return model, weights


def tables_of(state):
    """The tables that are kept with the weights, and must be what they are; all else may be any weight of that shape."""
    window = state.get("head.istft.window")
    return {
        "feature_extractor.mel_spec.mel_scale.fb": filter_bank(
            sample_rate=24000, n_fft=1024, n_mel=100, fmin=0, fmax=12000.0, mel_scale="htk", norm="none"
        ),
        "feature_extractor.mel_spec.spectrogram.window": torch.hann_window(1024),
        "head.istft.window": torch.hann_window(1 if window is None else len(window)),
        "head.imdct.window": torch.sin(torch.pi / 512 * (torch.arange(512) + 0.5)),
    }


def vocos_of(manifest, state):
    sizes = manifest["config"]
    hop_size = sizes["hop_size"]
    n_fft = sizes["n_fft"]
    n_mel = sizes["input_channels"]
    state["head.istft.window"] = torch.hann_window(n_fft)
    p = {"sample_rate": 24000, "hop_size": hop_size, "n_fft": n_fft, "n_mel": n_mel}
    p |= manifest.get("preprocess", {})
    card, weights = amphion_vocos({"preprocess": p, "model": {"vocos": sizes}}, state)
    if "preprocess" in manifest:
        mel = card["preprocess"]["features"]["mel"]
        assert mel["convention"] == "vevo"
    return built(Vocos, card["model"], {"n_mel": n_mel, "hop_size": hop_size}), weights


def apnet_of(manifest, state):
    config = manifest["config"]
    arguments = amphion_apnet(config, {})[0] if manifest["source"] == "amphion" else apnet_sizes(config)
    facts = {"n_mel": config.get("num_mels", 100), "hop_size": config.get("hop_size", 256)}
    return built(APNet, arguments, facts), modern_keys(state)


def fastspeech2_of(manifest, state):
    maps = fastspeech2_maps
    translate = maps.from_ming024 if "ming024" in manifest["source"] else maps.from_amphion
    arguments, facts, state = translate(manifest["config"], state)
    return build(FastSpeech2, arguments, facts), state


def vits_of(manifest, state):
    translate = vits_maps.from_jaywalnut310 if "jaywalnut310" in manifest["source"] else vits_maps.from_amphion
    arguments, facts, state = translate(manifest["config"], state)
    return built(VITS, arguments, facts | SPEECH), state


def vits_discriminator_of(manifest, state):
    return VITSDiscriminator(**manifest["config"]), modern_keys(state)


def jets_of(manifest, state):
    arguments, facts, weights = amphion_jets(manifest["config"], state)
    layers = ("postnet.", "mel_linear.")
    idle = {key for key in state if key.startswith(layers)}
    idle |= {key for key in state if key.endswith("position_enc")}
    for name in ("pitch", "energy"):
        idle.add(f"variance_adaptor.{name}_bins")
        idle.add(f"variance_adaptor.{name}_embedding.weight")
    assert len(weights) == len(state) - len(idle) + 4, "all but what has no say; and our means and spreads"
    return built(Jets, arguments, facts | SPEECH), weights


def naturalspeech2_of(manifest, state):
    arguments, facts, weights = naturalspeech2_maps.from_amphion(manifest["config"], state)
    idle = {key for key in state if key.endswith(".pe")} | {"prior_encoder.enc_emb_tokens.weight"}
    assert len(weights) == len(state) - len(idle)
    of_no_config = naturalspeech2_maps.from_amphion({}, state)
    for sizes in (arguments, of_no_config[0]):
        model = built(NaturalSpeech2, sizes, facts)
        assert model.state_dict().keys() == weights.keys(), "the defaults are the released sizes"
    return built(NaturalSpeech2, arguments, facts), weights


def valle_of(manifest, state):
    sizes = manifest["config"].get("model", manifest["config"])
    arguments, facts, weights = from_published(sizes, state)
    assert sum(value.numel() for value in weights.values()) == manifest["param_count"], "what has two names is there once"
    return built(VALLE, arguments, facts | {"sample_rate": 24000, "hop_size": 320}), weights


def discriminator_of(manifest, state):
    name = manifest["model"].removesuffix("_discriminator")
    model = discriminators.ours(name, manifest["config"], manifest["source"])
    return model, discriminators.our_names(state)


def facodec_of(manifest, state):
    """The parts that a manifest is of, with all their keys, the predictors of each file too."""
    kind = manifest["model"].removeprefix("facodec_")
    if manifest["source"] == "amphion-ns3":
        names = {"encoder": facodec.ENCODER, "decoder": facodec.DECODER, "redecoder": facodec.REDECODER}
        weights = facodec.translated(state, names[kind.removesuffix("_v2")])
        arguments, facts = facodec.from_ns3(weights)
        clock = {"sample_rate": facodec.RATE, "hop_size": 200}
    else:
        weights = facodec_24khz.network(kind, state)
        arguments, facts = facodec_24khz.from_amphion(weights)
        clock = {"sample_rate": facodec_24khz.RATE, "hop_size": 300}
    ratios = {200: [5, 5, 4, 2], 300: [6, 5, 5, 2]}
    widths = {"latent": facodec_width(weights), "ratios": ratios[clock["hop_size"]]}
    arguments["dac"] = widths | arguments["dac"]
    model = built(FACodec, arguments, clock | facts)
    parts = {key.split(".")[0] for key in weights}
    for part in set(dict(model.named_children())) - parts:
        delattr(model, part)
    return model, weights


def facodec_width(weights):
    """Of a manifest of predictors alone."""
    return next((value.shape[0] for key, value in weights.items() if key.startswith("predictors.f0.model.0.block.1.bias")), 8)


def facodec_discriminator_of(manifest, state):
    """That of DAC: the first five look at every n-th sample, the others at bands of a spectrum, whose windows are not in the file."""
    network = Discriminators({"mpd": {}, "mbd": {}}, {"sample_rate": 24000})
    weights = {key: value for key, value in network.state_dict().items() if key.endswith(".window")}
    for key, value in modern_keys(state).items():
        _, number, rest = key.split(".", 2)
        part, place = ("mpd", int(number)) if int(number) < 5 else ("mbd", int(number) - 5)
        layer = re.sub(r"^((?:band_)?convs(?:\.\d+)+)\.0\.", r"\1.", rest)
        weights[f"parts.{part}.discriminators.{place}.{layer}"] = value
    return network, weights


def unet_of(manifest, state):
    config = manifest["config"]
    if "block_out_channels" in config:
        arguments, weights = unet_maps.from_diffusers(config, state)
        names = {ours: theirs for theirs, ours in zip(state, weights, strict=True)}
        assert names == manifest["original_to_diffusers"], "the verified bijection"
    elif "model" in config:
        unprefixed = {key.removeprefix("unet."): value for key, value in state.items()}
        arguments, weights = unet_maps.from_original(config["model"]["audioldm"], unprefixed)
    else:
        arguments, weights = unet_maps.from_original(config["params"], state)
    return built(UNet, arguments, {}), weights


VOCODER_OF_AUDIOLDM = {
    "upsample_rates": [5, 4, 2, 2, 2],
    "upsample_kernel_sizes": [16, 16, 8, 4, 4],
    "upsample_initial_channel": 1024,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5]] * 3,
}


def autoencoder_of(manifest, state):
    """With its vocoder, where that is in the manifest."""
    if manifest["source"].startswith("diffusers"):
        bijection = manifest["original_to_diffusers"]
        theirs = state
        state = autoencoder_maps.from_diffusers(theirs)
        found = {key: value.data_ptr() for key, value in state.items()}
        assert found == {key: theirs[name].data_ptr() for key, name in bijection.items()}, "the verified bijection"
    vocoder = {key: value for key, value in state.items() if key.startswith("vocoder.")}
    own = {key: value for key, value in state.items() if key not in vocoder}
    network = built(AutoencoderKL, {"sizes": autoencoder_maps.sizes_of(own)}, {"n_mel": 80})
    if not vocoder:
        return network, own
    sizes = hifigan_sizes(VOCODER_OF_AUDIOLDM | {"resblock": 1})
    parts = {"autoencoder": network, "vocoder": fold(built(HiFiGAN, sizes, {"n_mel": 64}))}
    return nn.ModuleDict(parts), vocoder | {f"autoencoder.{key}": value for key, value in own.items()}


def audioldm_of(manifest, state):
    """The whole released checkpoint: what is left out is CLAP, which is read apart, and what the schedule says besides."""
    card, weights = audioldm.from_checkpoint(state)
    averages = {audioldm.average_of(key.removeprefix(audioldm.UNET)) for key in state if key.startswith(audioldm.UNET)}
    assert averages <= state.keys()
    read = {audioldm.UNET, audioldm.FIRST_STAGE, audioldm.CONDITION}
    left = {key for key in state if not key.startswith(tuple(read))} - averages
    schedule = {key for key in left if "." not in key} - {"scale_factor"}
    assert left - schedule == {"scale_factor", "model_ema.decay", "model_ema.num_updates"}
    assert all(state[key].shape in ((1000,), ()) for key in schedule), "noise by step, which the schedule's two ends tell"
    first_stage = sum(key.startswith(audioldm.FIRST_STAGE) for key in state)
    unet = len(averages)
    assert len(weights) == unet + first_stage + 2, "and the scale, and what is made of no words"
    model = built(AudioLDM, card["model"], card["facts"])
    trainable = [parameter.numel() for parameter in model.parameters() if parameter.requires_grad]
    assert sum(trainable) == manifest["trainable_param_count"]
    vocoder = f"{audioldm.FIRST_STAGE}vocoder."
    frozen = [key for key in state if key.startswith(audioldm.FIRST_STAGE) and not (key.startswith(vocoder) and "weight" in key)]
    # CLAP is counted there; here it is read apart, and the vocoder's weights are multiplied out, which leaves its biases.
    manifest["param_count"] = sum(trainable) + sum(state[key].numel() for key in frozen)
    return model, weights


FAMILIES = {
    "autoencoderkl*__amphion": autoencoder_of,
    "audioldm_vae__*": autoencoder_of,
    "audioldm_s_full_v2_latentdiffusion__*": audioldm_of,
    "audioldm_*_unet__*": unet_of,
    "audioldm__amphion": unet_of,
    "audioldm_latent_*__amphion": unet_of,
    "hifigan*": hifigan_of,
    "tfr_enhanced_hifigan__*": hifigan_of,
    "bigvgan*": bigvgan_of,
    "melgan__*": melgan_of,
    "nsfhifigan*": nsfhifigan_of,
    "waveglow__*": waveglow_of,
    "diffwave__*": diffwave_of,
    "wavenet*": wavenet_of,
    "wavernn*": wavernn_of,
    "vocos_*__gemelo-ai": gemelo_of,
    "vocos_*__amphion": vocos_of,
    "apnet__*": apnet_of,
    "fastspeech2*": fastspeech2_of,
    "vits_discriminator__*": vits_discriminator_of,
    "vits__*": vits_of,
    "vits_hifitts*": vits_of,
    "vits_nosdp*": vits_of,
    "vits_vctk*": vits_of,
    "jets__*": jets_of,
    "facodec_discriminator__*": facodec_discriminator_of,
    "facodec_*": facodec_of,
    "naturalspeech2__*": naturalspeech2_of,
    "valle__*": valle_of,
    **{f"{name}__*": discriminator_of for name in ("mpd", "msd", "mrd", "msstftd", "mssbcqtd", "mbd", "melgan_discriminator")},
}
UNCOUNTED = ("fastspeech2*", "jets__*")  # their published counts hold tables of bins, and layers that have no say
KINDS = {"float32": torch.float32, "int32": torch.int32, "int64": torch.int64}


def family(path):
    return next((found for pattern, found in FAMILIES.items() if fnmatch.fnmatch(path.stem, pattern)), None)


def counted(path):
    return not any(fnmatch.fnmatch(path.stem, pattern) for pattern in UNCOUNTED)


def state_of(manifest):
    keys = manifest["keys"]
    return {key: torch.zeros(shape, dtype=KINDS[kind]) for key, (shape, kind) in keys.items()}


FILES = sorted(path for path in (SHARED / "parity/manifests").glob("*.json") if family(path))


@pytest.mark.skipif(not FILES, reason="no ../shared/parity/manifests beside the repository")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_published_key_and_shape_has_its_place(path):
    manifest = json.loads(path.read_text())
    state = state_of(manifest)
    translate = family(path)
    model, weights = translate(manifest, state)
    device = next(model.parameters()).device
    weights = {key: value.to(device) for key, value in weights.items()}
    fit_weights(model, weights, path.name)
    if counted(path):
        ours = [parameter.numel() for parameter in model.parameters()]
        assert sum(ours) == manifest["param_count"]
