"""Published AudioLDMs: a folder of diffusers gives the same latents as its pipeline, and the other two layouts are read whole."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models import load
from models.upstream import audioldm, audioldm_maps
from tests.text_encoders import save_encoder
from utils import pretrained

WIDTH = 6
UNET = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": (8, 16),
    "attention_head_dim": 2,
    "class_embed_type": "simple_projection",
    "projection_class_embeddings_input_dim": WIDTH,
    "class_embeddings_concat": True,
    "norm_num_groups": 4,
}
VAE = {
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": (4, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "scaling_factor": 0.7,
}
VOCODER = {
    "model_in_dim": 16,
    "sampling_rate": 16000,
    "upsample_initial_channel": 16,
    "upsample_rates": [8, 5, 4],
    "upsample_kernel_sizes": [16, 11, 8],
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]],
    "normalize_before": False,
}
NOISE = {"beta_start": 0.0015, "beta_end": 0.0195, "beta_schedule": "scaled_linear", "clip_sample": False}
NOISE |= {"set_alpha_to_one": False, "steps_offset": 1}


@pytest.fixture(autouse=True, scope="module")
def fresh():
    yield
    pretrained.forget()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """The folder of a pipeline with random weights, and the pipeline that diffusers makes of it."""
    import diffusers
    import transformers

    folder = tmp_path_factory.mktemp("pipeline")
    save_encoder(folder / "clap", "clap", width=WIDTH)
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(**UNET)
    for parameter in unet.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape)
    vocoder = transformers.SpeechT5HifiGan(transformers.SpeechT5HifiGanConfig(**VOCODER))
    for parameter in vocoder.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape)
    built = diffusers.AudioLDMPipeline(
        vae=diffusers.AutoencoderKL(**VAE),
        text_encoder=transformers.ClapTextModelWithProjection.from_pretrained(folder / "clap"),
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder / "clap"),
        unet=unet,
        scheduler=diffusers.DDIMScheduler(**NOISE),
        vocoder=vocoder,
    )
    built.set_progress_bar_config(disable=True)
    built.save_pretrained(folder)
    return folder, built


@pytest.mark.parametrize("seconds", [0.32, 0.5])  # the second makes latents of an odd length
@pytest.mark.parametrize(("guidance", "negative"), [(2.5, None), (2.5, "a dog barks"), (1.0, None)])
def test_a_folder_of_diffusers_gives_the_latents_of_its_pipeline(pipeline, seconds, guidance, negative):
    folder, theirs = pipeline
    ours = load(folder, device="cpu")
    frames = ours.autoencoder.latent_frames(seconds)
    noise = torch.randn(1, 4, frames, 4, generator=torch.Generator().manual_seed(1))
    wanted = {}

    def note(step, timestep, latents):
        wanted["latents"] = latents

    how = {"num_inference_steps": 6, "guidance_scale": guidance, "negative_prompt": negative, "latents": noise.clone()}
    sound = theirs("rain on a roof", audio_length_in_s=seconds, callback=note, callback_steps=1, **how).audios[0]
    texts = ours._texts("rain on a roof", {"negative": negative or "", "text_encoder": None})
    made = ours.network.infer(**texts, frames=frames, steps=6, guidance=guidance, sampler="published", noise=noise)["latent"]
    torch.testing.assert_close(made.transpose(1, 2) * VAE["scaling_factor"], wanted["latents"], atol=1e-3, rtol=0)
    mine = ours._sound(made[0].numpy(), seconds, None)
    samples = min(len(sound), len(mine.samples))
    np.testing.assert_allclose(mine.samples[:samples], sound[:samples], atol=1e-3)


def test_the_text_encoder_of_the_folder_is_found_and_the_pipeline_sounds(pipeline):
    ours = load(pipeline[0], device="cpu")
    sound = ours("rain", seconds=0.2, steps=2, seed=0, sampler="published")
    assert sound.rate == 16000 and len(sound.samples) == 3200 and sound.peak > 0
    assert ours.autoencoder.decode(np.zeros((3, 4, 4), np.float32)).shape == (12, 16)


def test_a_part_that_is_missing_is_named(pipeline, tmp_path):
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "model_index.json").write_text((pipeline[0] / "model_index.json").read_text())
    with pytest.raises(ValueError, match=r"cut/unet lacks config.json and .*download the whole folder"):
        load(folder, device="cpu")


def test_a_scheduler_that_there_is_not_is_named(pipeline, tmp_path):
    from shutil import copytree

    copytree(pipeline[0], folder := tmp_path / "copy")
    path = folder / "scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": "EulerDiscreteScheduler"}))
    with pytest.raises(ValueError, match="EulerDiscreteScheduler.*DDIMScheduler"):
        load(folder, device="cpu")


# The original's


def original_state(pipeline):
    """What the released checkpoint holds, for the weights of the small pipeline."""
    _, state = audioldm_maps.read_parts(parts_of(pipeline))
    network = {key.removeprefix("unet."): value for key, value in state.items() if key.startswith("unet.")}
    first_stage = {key.removeprefix("autoencoder."): value for key, value in state.items() if key.startswith("autoencoder.")}
    vocoder = {key: value for key, value in state.items() if key.startswith("vocoder.")}
    whole = {f"model.diffusion_model.{key}": torch.zeros_like(value) for key, value in network.items()}
    whole |= {f"model_ema.diffusion_model{key.replace('.', '')}": value for key, value in network.items()}
    whole |= {f"first_stage_model.{key}": value for key, value in (first_stage | vocoder).items()}
    whole["cond_stage_model.model.logit_scale_a"] = torch.zeros(())
    return {"state_dict": whole | {"scale_factor": torch.tensor(0.7)}}


def parts_of(pipeline):
    from models.upstream import diffusers_audioldm

    seen = []
    kept = diffusers_audioldm.read_parts
    diffusers_audioldm.read_parts = lambda parts: seen.append(parts) or kept(parts)
    try:
        diffusers_audioldm.read(pipeline[0], pipeline[0] / "model_index.json", None)
    finally:
        diffusers_audioldm.read_parts = kept
    return seen[0]


def test_the_released_checkpoint_is_read_by_its_averages(pipeline, tmp_path, monkeypatch):
    sizes = {**audioldm.VOCODER, **{name: VOCODER[name] for name in audioldm.VOCODER if name in VOCODER}}
    monkeypatch.setattr(audioldm, "VOCODER", sizes)
    monkeypatch.setattr(audioldm, "HEAD_CHANNELS", 8)
    monkeypatch.setattr(audioldm, "GROUPS", 4)
    monkeypatch.setattr(audioldm, "AUDIOLDM_MEL", audioldm.AUDIOLDM_MEL | {"n_mel": 16})
    torch.save(original_state(pipeline), tmp_path / "audioldm-s-full.ckpt")
    ours = load(tmp_path / "audioldm-s-full.ckpt", device="cpu")
    reference = load(pipeline[0], device="cpu")
    for name, value in reference.model.state_dict().items():
        torch.testing.assert_close(ours.model.state_dict()[name], value)
    assert ours.model.unet.sizes.heads_of(1) == 2
    with pytest.raises(ValueError, match=r"text_encoder.*laion/clap-htsat-unfused|no folder here"):
        ours("rain", seconds=0.2, steps=1)
    sound = ours("rain", seconds=0.2, steps=1, text_encoder=str(pipeline[0]), sampler="published", seed=0)
    assert sound.peak > 0


def test_a_checkpoint_of_something_else_is_named(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "audioldm-none.ckpt")
    with pytest.raises(ValueError, match="it is no released AudioLDM"):
        load(tmp_path / "audioldm-none.ckpt", device="cpu")


# Amphion's

AMPHION = {
    "model_type": "AudioLDM",
    "preprocess": {"sample_rate": 16000, "hop_size": 256, "n_mel": 80},
    "model": {
        "audioldm": {
            "in_channels": 4, "out_channels": 4, "model_channels": 32, "attention_resolutions": [2, 1], "num_res_blocks": 1,
            "channel_mult": [1, 2], "num_heads": 4, "use_spatial_transformer": True, "transformer_depth": 1, "context_dim": 8,
            "use_checkpoint": True, "legacy": False,
        },
        "noise_scheduler": {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
        "autoencoderkl": {"ch_mult": [1, 1, 2], "z_channels": 4},
    },
}  # fmt: skip


def amphion_folder(folder):
    """A run of Amphion's AudioLDM, with its autoencoder beside it."""
    from models.tta.autoencoderkl import AutoencoderKL
    from models.upstream.unet_maps import from_original
    from modules.unet import UNet
    from utils.config import build

    torch.manual_seed(0)
    arguments, _ = from_original(AMPHION["model"]["audioldm"], {})
    unet = build(UNet, arguments).state_dict()
    sizes = {"channels": 32, "multipliers": [1, 1, 2], "blocks": 1, "latent": 4}
    autoencoder = build(AutoencoderKL, {"sizes": sizes}, {"n_mel": 80}).state_dict()
    checkpoints = folder / "audioldm/checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save({"model": {f"unet.{key}": value for key, value in unet.items()}, "step": 7}, checkpoints / "step-0000007_loss-0.2.pt")
    (folder / "audioldm/args.json").write_text(json.dumps(AMPHION))
    (folder / "autoencoder_kl/checkpoints").mkdir(parents=True)
    torch.save({"model": autoencoder}, folder / "autoencoder_kl/checkpoints/step-0000009_loss-0.1.pt")
    return folder


def test_amphions_run_is_read_with_the_autoencoder_beside_it(tmp_path):
    folder = amphion_folder(tmp_path)
    ours = load(folder / "audioldm", device="cpu")
    encoder = save_encoder(tmp_path / "t5", "t5")
    sound = ours("rain", seconds=0.5, steps=4, seed=0, sampler="published", text_encoder=str(encoder))
    assert len(sound.samples) == 8000 and sound.peak > 0
    assert ours.model.text.sees_padding, "as it was trained"
    assert (ours.model.bins, ours.model.channels) == (20, 4)


def test_without_the_autoencoder_it_is_said_where_it_belongs(tmp_path):
    folder = amphion_folder(tmp_path)
    for file in (folder / "autoencoder_kl/checkpoints").glob("*"):
        file.unlink()
    with pytest.raises(ValueError, match=r"its autoencoder.*autoencoder_kl"):
        load(folder / "audioldm", device="cpu")
    save_file({"a": torch.zeros(1)}, folder / "unused.safetensors")
