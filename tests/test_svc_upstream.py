"""Amphion's released conversions to a mel: every published key has its place, and a folder converts as the model that it was written from."""

import json

import numpy as np
import pytest
import torch

from models import load
from models.base.loading import misfits
from models.svc.como import DiffComoSVC
from models.svc.diffwavenet import DiffWaveNetSVC
from models.svc.transformer import TransformerSVC
from models.upstream import read_foreign
from models.upstream.amphion_svc import READERS
from tests import svc
from tests.conftest import SHARED
from utils.config import build

MANIFESTS = SHARED / "parity/manifests"
CLASSES = {"diffwavenetsvc": DiffWaveNetSVC, "diffcomosvc": DiffComoSVC, "transformersvc": TransformerSVC}
FILES = [path for name in CLASSES for path in sorted(MANIFESTS.glob(f"{name}_*.json"))]
ADDED = ("scale.min", "scale.max", "distilled")
BANDS = 12
CHANNELS = {"whisper": 6, "contentvec": 5}
NAMES = {
    "DiffWaveNetSVC": {"condition_encoder.": "0.", "denoiser.": "1."},
    "DiffComoSVC": {
        "condition_encoder.": "0.",
        "encoder.": "1.encoder.",
        "teacher.": "1.decoder.denoise_fn_pretrained.",
        "student.": "1.decoder.denoise_fn_ema.",
    },
    "TransformerSVC": {"condition_encoder.": "0.", "encoder.": "1."},
}
SECTION = {
    "merge_mode": "add", "use_f0": True, "use_uv": True, "use_energy": True, "use_spkid": True, "n_bins_melody": 256,
    "n_bins_loudness": 256, "output_melody_dim": 16, "output_loudness_dim": 16, "output_singer_dim": 16, "content_encoder_dim": 16,
    "use_whisper": True, "whisper_dim": 6, "use_contentvec": True, "contentvec_dim": 5,
}  # fmt: skip
DIFFUSION = {
    "model_type": "bidilconv",
    "scheduler_settings": {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"},
    "step_encoder": {"dim_raw_embedding": 8, "dim_hidden_layer": 16, "activation": "SiLU", "num_layer": 2, "max_period": 10000},
    "bidilconv": {"base_channel": 16, "n_res_block": 4, "conv_kernel_size": 3, "dilation_cycle_length": 2},
}
ENCODER = {"n_layers": 2, "n_heads": 2, "filter_channels": 16, "dropout": 0.1}
COMO = ENCODER | {
    "sigma_data": 0.5, "sigma_min": 0.002, "sigma_max": 80, "rho": 7, "P_mean": -1.2, "P_std": 1.2, "n_timesteps": 40,
}  # fmt: skip
MODELS = {
    "DiffWaveNetSVC": {"diffusion": DIFFUSION},
    "DiffComoSVC": {"diffusion": DIFFUSION, "comosvc": COMO},
    "TransformerSVC": {"transformer": ENCODER | {"type": "conformer"}},
}
OWN = {
    "DiffWaveNetSVC": svc.DENOISER,
    "DiffComoSVC": svc.DENOISER | {"encoder": {"layers": 2, "filter": 16}, "distil": True, "karras": {"output_alone": True}},
    "TransformerSVC": {"encoder": {"layers": 2, "filter": 16}},
}


@pytest.mark.skipif(not FILES, reason="no ../shared/parity/manifests beside the repository")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_published_key_has_its_place(path):
    manifest = json.loads(path.read_text())
    state = {}
    for key, (shape, _) in manifest["keys"].items():
        state[key] = torch.empty(shape, device="meta")
    name = path.stem.split("_")[0]
    cls = CLASSES[name]
    translate = READERS[cls.__name__]
    arguments, facts, weights = translate(manifest["config"], state)
    with torch.device("meta"):
        model = build(cls, arguments, facts)
    assert not misfits(model, weights)
    idle = [".pe"]
    if "distilled" in path.stem:
        idle.append(".denoise_fn.")
    left_out = numbers_in(state, lambda key: any(part in key for part in idle))
    kept = numbers_in(weights, lambda key: key not in ADDED)
    assert kept == manifest["state_dict_numel"] - left_out


def numbers_in(state, chosen):
    """How many numbers the chosen tensors have."""
    return sum(value.numel() for key, value in state.items() if chosen(key))


def own_model(kind):
    """A small model of ours with the quirks and facts of a published one."""
    torch.manual_seed(0)
    condition = {**svc.CONDITION, "energy_min": 1e-30, "energy_max": 1.5, "see_padding": True}
    settings = {"contents": list(CHANNELS), "condition": condition, **OWN[kind]}
    extrema = {"min": np.linspace(-11, -9, BANDS).tolist(), "max": np.linspace(0, 2, BANDS).tolist()}
    facts = {"n_mel": BANDS, "channels": CHANNELS, "n_speakers": 2, "statistics": {"mel": extrema}}
    classes = {cls.__name__: cls for cls in CLASSES.values()}
    model = build(classes[kind], settings, facts).eval()
    if kind == "DiffComoSVC":
        model.distilled.fill_(True)
    return model, extrema


def their_weights(kind, model):
    """The weights under Amphion's names, with the rows and copies that it has besides."""
    weights = {}
    for key, value in model.state_dict().items():
        own = next((name for name in NAMES[kind] if key.startswith(name)), None)
        if own is not None:
            weights[NAMES[kind][own] + key.removeprefix(own)] = value
    table = weights["0.singer_encoder.nn.weight"]
    weights["0.singer_encoder.nn.weight"] = torch.cat([table, torch.randn(6, 16)])
    for key in [key for key in weights if ".denoise_fn_ema." in key]:
        weights[key.replace("_ema", "")] = torch.randn_like(weights[key])
    return weights


def release(folder, kind):
    """A released folder of Amphion, and the model of ours that it was written from."""
    model, extrema = own_model(kind)
    preprocess = {"sample_rate": 22050, "hop_size": 256, "n_fft": 1024, "win_size": 1024, "n_mel": BANDS, "f0_min": 50, "f0_max": 1100}
    settings = {"condition_encoder": SECTION, **MODELS[kind]}
    config = {"model_type": kind, "dataset": ["corpus"], "preprocess": preprocess, "model": settings}
    (folder / "args.json").write_text(json.dumps(config))
    (folder / "singers.json").write_text(json.dumps({"corpus_ann": 0, "corpus_bob": 1}))
    for name, values in extrema.items():
        path = folder / f"data/corpus/mel_min_max_stats/mel_{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.array(values, dtype=np.float32))
    pitches = folder / "data/corpus/pitches"
    pitches.mkdir()
    medians = {"corpus_ann": {"voiced_positions": {"median": 220.5}}, "corpus_bob": {"voiced_positions": {"median": 0.0}}}
    (pitches / "statistics.json").write_text(json.dumps(medians))
    checkpoint = folder / "checkpoint/epoch-0001_step-0000002_loss-3.0"
    checkpoint.mkdir(parents=True)
    torch.save(their_weights(kind, model), checkpoint / "pytorch_model.bin")
    return model


@pytest.mark.parametrize("kind", NAMES)
def test_a_folder_of_amphion_converts_as_its_model(kind, tmp_path):
    model = release(tmp_path, kind)
    task = load(tmp_path, device="cpu")
    assert task.name == kind and task.speakers == ["corpus_ann", "corpus_bob"]
    assert task.card["registers"] == {"corpus_ann": 220.5}
    features = task.card["preprocess"]["features"]
    assert features["whisper"] == {"alignment": "upstream", "model": "medium"}
    assert features["energy"] == {"measure": "mel"}
    contents = {}
    for name, width in CHANNELS.items():
        contents[name] = torch.randn(1, 9, width)
    f0 = torch.full((1, 9), 180.0)
    energy = torch.rand(1, 9)
    speaker = torch.tensor([1])
    inputs = (contents, f0, energy, speaker)
    options = {"seed": 3} if "seed" in model.options() else {}
    made = task.model.infer(*inputs, **options)
    wanted = model.infer(*inputs, **options)
    torch.testing.assert_close(made["mel"], wanted["mel"], rtol=1e-4, atol=1e-4)


def test_a_folder_without_the_range_of_its_mel_says_so(tmp_path):
    release(tmp_path, "TransformerSVC")
    path = tmp_path / "data/corpus/mel_min_max_stats/mel_max.npy"
    np.save(path, np.zeros(80))
    with pytest.raises(ValueError, match=r"mel_max.npy holds \(80,\), and \(12,\) are needed"):
        read_foreign(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="mel_max.npy is missing"):
        read_foreign(tmp_path)
    (path.parent / "mel_min.npy").unlink()
    path.parent.rmdir()
    with pytest.raises(ValueError, match="mel_min_max_stats is missing.*download"):
        read_foreign(tmp_path)


def test_of_several_corpora_the_one_that_is_named_is_taken(tmp_path, caplog):
    release(tmp_path, "TransformerSVC")
    other = tmp_path / "data/another/mel_min_max_stats"
    other.mkdir(parents=True)
    for name in ("min", "max"):
        np.save(other / f"mel_{name}.npy", np.zeros(BANDS))
    card, _ = read_foreign(tmp_path)
    assert card["facts"]["statistics"]["mel"]["max"][-1] == 2.0
    assert "that of corpus is taken" in caplog.text


def test_a_unet_is_refused(tmp_path):
    release(tmp_path, "DiffWaveNetSVC")
    path = tmp_path / "args.json"
    path.write_text(path.read_text().replace("bidilconv", "unet2d", 1))
    with pytest.raises(ValueError, match='only "bidilconv" can be read'):
        read_foreign(tmp_path)
