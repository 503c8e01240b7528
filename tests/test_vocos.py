"""Vocos: its heads against their formulas, lengths, reach, norms and codebooks, and the containers that it is published in."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models import load
from models.upstream import read_foreign
from models.vocoders.vocos import Vocos
from processors.filters import filter_bank
from tests.conftest import clip, make
from tests.networks import expected, exported_without_complex_numbers, mel_of, reaches, stirred
from tests.parity import old_keys
from utils.audio import Audio

SMALL = {"n_mel": 8, "dim": 16, "intermediate_dim": 24, "num_layers": 2}
HEADS = ("istft", "imdct_cos", "imdct_symexp")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("padding", ["same", "center"])
@pytest.mark.parametrize("hop, n_fft", [(16, 64), (15, 64), (21, 60), (40, 64)])
def test_vocos_gives_hop_samples_a_frame(head, padding, hop, n_fft):
    model = make(Vocos, **SMALL, hop_size=hop, n_fft=n_fft, head=head, padding=padding).eval()
    for frames in (1, 2, 9):
        wave = model.infer(torch.randn(2, frames, 8))
        assert wave.shape == (2, frames * hop) and wave.isfinite().all()


def test_vocos_is_the_papers_formula():
    """Layer by layer in torch's own layout, with complex numbers."""
    model = stirred(make(Vocos, **SMALL, hop_size=16, n_fft=64, padding="center"))
    mel, net = torch.randn(2, 8, 11), model.backbone
    norm = lambda layer, x: layer(x.transpose(1, 2), None).transpose(1, 2)  # noqa: E731
    with torch.no_grad():
        x = norm(net.norm, net.embed(mel))
        for block in net.convnext:
            h = F.gelu(block.pwconv1(norm(block.norm, block.dwconv(x)).transpose(1, 2)))
            x = x + (block.gamma * block.pwconv2(h)).transpose(1, 2)
        out = model.head.out(net.final_layer_norm(x.transpose(1, 2))).transpose(1, 2)
        spectrum = torch.polar(out[:, :33].exp().clip(max=100), out[:, 33:])
        expected = torch.istft(spectrum, 64, 16, 64, torch.hann_window(64))
        torch.testing.assert_close(model.decode(mel)[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_the_symmetric_head_is_its_formula_and_never_louder_than_it_may():
    model = stirred(make(Vocos, **SMALL, hop_size=16, head="imdct_symexp", backbone="resnet", sample_rate=8000))
    x = torch.randn(1, 5, 16) * 30
    with torch.no_grad():
        drawn = model.head.out(x)
        wanted = (drawn.sign() * (drawn.abs().exp() - 1)).clip(-100, 100)
        torch.testing.assert_close(model.head(x, False), model.head.transform(wanted), rtol=1e-4, atol=1e-3)
    enormous = torch.full((1, 3, 16), 1e4, requires_grad=True)
    for head in HEADS:
        layer = make(Vocos, **SMALL, hop_size=16, n_fft=64, head=head).head
        wave = layer(enormous, True)
        wave.sum().backward()
        assert wave.isfinite().all() and enormous.grad.isfinite().all()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("backbone", ["convnext", "resnet"])
@pytest.mark.parametrize("padding", ["same", "center"])
def test_vocos_reaches_no_further_than_it_says(head, backbone, padding):
    # Blocks at full strength: what comes through many scaled ones is lost in rounding before the furthest tap.
    reaches(stirred(make(Vocos, **SMALL, hop_size=16, n_fft=64, head=head, backbone=backbone, padding=padding, layer_scale=1.0)), 8)


def test_each_bandwidth_has_norms_of_its_own():
    model = stirred(make(Vocos, **SMALL, hop_size=16, n_fft=64, bandwidths=3))
    mel = torch.randn(2, 6, 8)
    apart = [model.infer(mel, bandwidth_id=i) for i in range(3)]
    assert not torch.allclose(apart[0], apart[1]) and not torch.allclose(apart[1], apart[2])
    with torch.no_grad():
        mixed = model.decode(mel.transpose(1, 2), bandwidth_id=torch.tensor([2, 0]))[:, 0]
    torch.testing.assert_close(mixed, torch.stack([apart[2][0], apart[0][1]]), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="bandwidth_id is None. Choices: 0 to 2"):
        model.infer(mel)
    with pytest.raises(ValueError, match="bandwidth_id is 1. Choices: none"):
        make(Vocos, **SMALL).infer(mel, bandwidth_id=1)
    with pytest.raises(ValueError, match='needs the backbone "convnext"'):
        make(Vocos, **SMALL, backbone="resnet", bandwidths=3)


def test_codes_are_sums_of_codebook_rows():
    model = stirred(make(Vocos, **SMALL, hop_size=16, n_fft=64, codebooks=4, codebook_size=10))
    codes, table = torch.randint(0, 10, (2, 3, 7)), model.codebook_weights.detach().view(4, 10, 8)
    features = sum(table[book][codes[:, book]] for book in range(3))
    torch.testing.assert_close(model.infer_codes(codes), model.infer(features), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="codebooks is 0"):
        make(Vocos, **SMALL).infer_codes(codes)


def test_exported_it_knows_no_complex_numbers_and_says_the_same():
    exported_without_complex_numbers(stirred(make(Vocos, **SMALL, hop_size=16, n_fft=64)), 8)


def gemelo_folder(folder, model, *, head, extra=None, container=None):
    mel = {"sample_rate": 8000, "n_fft": 64, "hop_length": 16, "n_mels": 8, "padding": "center"}
    config = {
        "feature_extractor": {"class_path": "vocos.feature_extractors.MelSpectrogramFeatures", "init_args": mel},
        "backbone": {
            "class_path": "vocos.models.VocosBackbone",
            "init_args": {"input_channels": 8, "dim": 16, "intermediate_dim": 24, "num_layers": 2},
        },
        "head": {"class_path": f"vocos.heads.{head[0]}", "init_args": {"dim": 16, **head[1]}},
    }
    state = old_keys(model.state_dict()) | {
        "feature_extractor.mel_spec.spectrogram.window": torch.hann_window(64),
        "feature_extractor.mel_spec.mel_scale.fb": filter_bank(
            sample_rate=8000, n_fft=64, n_mel=8, fmin=0, fmax=4000, mel_scale="htk", norm="none"
        ),
        **(extra or {}),
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    torch.save(
        state if container is None else {"state_dict": {**state, "multiresddisc.x": torch.ones(1)}},
        folder / (container or "pytorch_model.bin"),
    )
    return folder


MEL = mel_of(6, 8)


@pytest.mark.parametrize("container", [None, "vocos_checkpoint_epoch=1.ckpt"])
def test_gemelo_folder(tmp_path, container):
    model = stirred(make(Vocos, **SMALL, hop_size=16, n_fft=64, padding="center"))
    head = ("ISTFTHead", {"n_fft": 64, "hop_length": 16, "padding": "center"})
    folder = gemelo_folder(tmp_path, model, head=head, extra={"head.istft.window": torch.hann_window(64)}, container=container)
    vocoder = load(folder, device="cpu")
    np.testing.assert_allclose(vocoder(MEL).samples, expected(model, MEL), atol=1e-6)
    settings = vocoder.mel_settings
    assert (vocoder.rate, settings.n_fft, settings.hop_size, settings.fmax) == (8000, 64, 16, 4000)
    assert settings.convention.mel_scale == "htk" and settings.convention.padding == "center"
    assert len(vocoder.resynthesise(Audio(clip(0.2, 200, 0), 16000)).samples) == (1600 // 16 + 1) * 16


def test_weights_of_another_window_or_mel_are_refused(tmp_path):
    model = make(Vocos, **SMALL, hop_size=16, n_fft=64, padding="center")
    head = ("ISTFTHead", {"n_fft": 64, "hop_length": 16, "padding": "center"})
    for key, value in (("head.istft.window", torch.ones(64)), ("feature_extractor.mel_spec.mel_scale.fb", torch.zeros(33, 8))):
        with pytest.raises(ValueError, match=f"{key} in the weights is not what"):
            read_foreign(gemelo_folder(tmp_path, model, head=head, extra={key: value}))
    with pytest.raises(ValueError, match="the mel has a hop of 16 samples, and the head makes 32"):
        read_foreign(gemelo_folder(tmp_path, model, head=("IMDCTCosHead", {"mdct_frame_len": 64})))
    with pytest.raises(ValueError, match="clip_audio"):
        read_foreign(gemelo_folder(tmp_path, model, head=("IMDCTCosHead", {"mdct_frame_len": 32, "clip_audio": True})))
    with pytest.raises(ValueError, match="head of Vocos"):
        read_foreign(gemelo_folder(tmp_path, model, head=("MyHead", {"hop_length": 16})))


def test_the_encodec_variant_reads_features_and_codes(tmp_path):
    model = stirred(make(Vocos, n_mel=8, dim=16, intermediate_dim=24, num_layers=2, hop_size=16, n_fft=64, bandwidths=4, codebooks=2))
    head = ("ISTFTHead", {"n_fft": 64, "hop_length": 16, "padding": "same"})
    folder = gemelo_folder(tmp_path, model, head=head)
    config = json.loads((folder / "config.yaml").read_text())
    config["feature_extractor"] = {
        "class_path": "vocos.feature_extractors.EncodecFeatures",
        "init_args": {"encodec_model": "encodec_24khz"},
    }
    config["backbone"]["init_args"]["adanorm_num_embeddings"] = 4
    (folder / "config.yaml").write_text(json.dumps(config))
    state = model.state_dict()
    table = state.pop("codebook_weights")
    layer = "feature_extractor.encodec.quantizer.vq.layers.{}._codebook.{}"
    rest = {"feature_extractor.encodec.encoder.model.0.conv.conv.bias": torch.ones(3), layer.format(0, "inited"): torch.ones(1)}
    parts = {layer.format(i, "embed"): table[i * 1024 : (i + 1) * 1024] for i in range(2)}
    features, codes = torch.randn(1, 6, 8), torch.randint(0, 1024, (1, 2, 6))
    for given in ({"feature_extractor.codebook_weights": table}, parts, {}):
        torch.save(state | rest | given, folder / "pytorch_model.bin")
        vocoder = load(folder, device="cpu").model
        torch.testing.assert_close(vocoder.infer(features, bandwidth_id=2), model.infer(features, bandwidth_id=2))
        if given:
            torch.testing.assert_close(vocoder.infer_codes(codes, bandwidth_id=1), model.infer_codes(codes, bandwidth_id=1))


def amphion_folder(folder, config, state):
    (folder / "args.json").write_text(json.dumps(config))
    torch.save(state, folder / "pytorch_model.bin")
    return folder


def test_amphion_vocos_folder_reads_its_normalised_mel(tmp_path):
    p = {"num_mels": 8, "sample_rate": 8000, "n_fft": 64, "hop_size": 16, "win_size": 64, "fmin": 0, "fmax": 4000}
    sizes = {
        "input_channels": 8,
        "dim": 16,
        "intermediate_dim": 24,
        "num_layers": 2,
        "n_fft": 64,
        "hop_size": 16,
        "padding": "same",
    }
    model = stirred(make(Vocos, **SMALL, hop_size=16, n_fft=64))
    config = {"model_type": "Vocos", "preprocess": {**p, "mel_mean": -4.92, "mel_var": 8.14}, "model": {"vocos": sizes}}
    state = model.state_dict() | {"head.istft.window": torch.hann_window(64)}
    vocoder = load(amphion_folder(tmp_path, config, state), device="cpu")
    np.testing.assert_allclose(vocoder(MEL).samples, expected(model, MEL), atol=1e-6)
    how = vocoder.mel_settings.convention
    assert (how.mean, round(how.std**2, 4), how.padding) == (-4.92, 8.14, "same")
    config = {"model_type": "GANVocoder", "preprocess": {**p, "n_mel": 8}, "model": {"generator": "vocos", "vocos": sizes}}
    assert load(amphion_folder(tmp_path, config, state), device="cpu").mel_settings.convention.mean == 0
    config["preprocess"]["mel_mean"] = -4.92
    with pytest.raises(ValueError, match="normalised mel"):
        read_foreign(amphion_folder(tmp_path, config, state))
