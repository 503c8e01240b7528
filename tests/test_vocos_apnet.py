"""Vocos, APNet and WORLD: transforms against closed forms and torch, phases, lengths, reach, foreign folders, voices."""

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models import load
from models.base.task import fit_weights
from models.upstream import read_foreign
from models.upstream.vocos import amphion_vocos, gemelo_vocos
from models.upstream.yangai520 import amphion_apnet, apnet_sizes
from models.vocoders.apnet import APNet, phase_loss, spectral_losses
from models.vocoders.vocos import Vocos
from models.vocoders.world import Voice, World
from modules.norm import modern_keys
from modules.spectral import InverseMDCT, InverseSTFT, overlap_add
from processors.mel import STFT, filter_bank
from tests.conftest import SHARED, clip, make
from tests.parity import old_keys
from utils.audio import Audio
from utils.config import build

MANIFESTS = SHARED / "parity/manifests"
needs_manifests = pytest.mark.skipif(not MANIFESTS.is_dir(), reason="no ../shared/parity/manifests beside the repository")
SMALL = {"n_mel": 8, "dim": 16, "intermediate_dim": 24, "num_layers": 2}
NARROW = {"asp_channels": 6, "psp_channels": 5}
FEW = {f"{n}_resblock_kernel_sizes": (3, 5) for n in ("asp", "psp")} | {
    f"{n}_resblock_dilation_sizes": ((1, 3), (1, 2)) for n in ("asp", "psp")
}
HEADS = ("istft", "imdct_cos", "imdct_symexp")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def shaken(model):
    """Nothing left where it started: gammas, biases and all."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


# Transforms


@pytest.mark.parametrize("size, hop", [(5, 5), (7, 3), (8, 2), (3, 4), (6, 1)])
def test_overlap_add_adds_each_piece_in_its_place(size, hop):
    pieces, total = torch.randn(2, 4, size), torch.zeros(2, 3 * hop + size)
    for frame in range(4):
        total[:, frame * hop : frame * hop + size] += pieces[:, frame]
    torch.testing.assert_close(overlap_add(pieces, hop), total)


@pytest.mark.parametrize("padding", ["same", "center"])
@pytest.mark.parametrize(
    "n_fft, win_size, hop", [(64, 64, 16), (60, 60, 20), (64, 32, 8), (63, 63, 16), (64, 64, 15), (64, 64, 40)]
)
def test_the_inverse_of_an_stft_is_the_sound(n_fft, win_size, hop, padding):
    wave = torch.randn(2, 12 * hop)
    spectrum = STFT(hop_size=hop, n_fft=n_fft, win_size=win_size, padding=padding)(wave)
    inverse = InverseSTFT(hop_size=hop, n_fft=n_fft, win_size=win_size, padding=padding)
    full = inverse(spectrum.real, spectrum.imag, full=True)
    assert full.shape == (2, spectrum.shape[1] * hop)
    inside = slice(0, 11 * hop)
    torch.testing.assert_close(full[:, inside], wave[:, inside], rtol=1e-4, atol=1e-4)
    pieces = (way(spectrum.real, spectrum.imag) for way in (inverse.by_fft, inverse.by_matrix))
    torch.testing.assert_close(*pieces, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_fft, win_size, hop", [(64, 64, 16), (64, 32, 8), (65, 65, 16), (48, 40, 13)])
def test_centred_it_is_torchs(n_fft, win_size, hop):
    spectrum = torch.randn(2, 9, n_fft // 2 + 1, dtype=torch.complex64)
    ours = InverseSTFT(hop_size=hop, n_fft=n_fft, win_size=win_size, padding="center")(spectrum.real, spectrum.imag)
    theirs = torch.istft(spectrum.transpose(1, 2), n_fft, hop, win_size, torch.hann_window(win_size))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("hop", [1, 2, 7, 16])
def test_mdct_there_and_back_is_the_sound(hop):
    """The MDCT by its formula; half a frame at either end has no neighbour to cancel its aliasing."""
    frames, n, k = 9, np.arange(2 * hop), np.arange(hop)[:, None]
    wave = np.random.default_rng(0).standard_normal((frames + 1) * hop)
    window = np.sin(np.pi * (n + 0.5) / (2 * hop))
    kernel = np.sqrt(2 / hop) * np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5))
    pieces = np.stack([wave[i * hop : (i + 2) * hop] * window for i in range(frames)])
    coefficients = torch.from_numpy(pieces @ kernel.T).float()[None]
    centred = InverseMDCT(hop_size=hop, padding="center")(coefficients)[0].numpy()
    np.testing.assert_allclose(centred, wave[hop:-hop], atol=1e-5)
    same = InverseMDCT(hop_size=hop, padding="same")(coefficients, full=True)[0].numpy()
    assert len(same) == frames * hop
    np.testing.assert_allclose(
        same[hop - hop // 2 : -hop], wave[hop : hop // 2 - hop or None][: len(same) - 2 * hop + hop // 2], atol=1e-5
    )


def test_transforms_refuse_what_cannot_overlap():
    with pytest.raises(ValueError, match=r"hop_size < win_size <= n_fft.*hop_size 64, win_size 64"):
        InverseSTFT(hop_size=64, n_fft=64)


# Vocos


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
    model = shaken(make(Vocos, **SMALL, hop_size=16, n_fft=64, padding="center"))
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
    model = shaken(make(Vocos, **SMALL, hop_size=16, head="imdct_symexp", backbone="resnet", sample_rate=8000))
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
    reaches(shaken(make(Vocos, **SMALL, hop_size=16, n_fft=64, head=head, backbone=backbone, padding=padding, layer_scale=1.0)), 16)


def reaches(model, hop):
    reach = model.receptive_field_frames
    mel = torch.randn(1, 4 * reach, 8)
    alike = mel.repeat(8, 1, 1)  # several ways to change the frame: where windows end, a change may be lost in rounding
    other = alike.clone()
    other[:, 2 * reach] += 3 * torch.randn(8, 8)
    changed = (model.infer(alike) != model.infer(other)).any(0).nonzero().flatten() // hop
    before, after = int(2 * reach - changed.min()), int(changed.max() - 2 * reach)
    assert max(before, after) <= reach <= max(before, after) + 1  # no idle boast either
    # What lies further away may as well not be there.
    torch.testing.assert_close(
        model.infer(mel[:, reach : 3 * reach + 1])[:, reach * hop : (reach + 1) * hop],
        model.infer(mel)[:, 2 * reach * hop : (2 * reach + 1) * hop],
        rtol=1e-4,
        atol=1e-5,
    )


def test_each_bandwidth_has_norms_of_its_own():
    model = shaken(make(Vocos, **SMALL, hop_size=16, n_fft=64, bandwidths=3))
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
    model = shaken(make(Vocos, **SMALL, hop_size=16, n_fft=64, codebooks=4, codebook_size=10))
    codes, table = torch.randint(0, 10, (2, 3, 7)), model.codebook_weights.detach().view(4, 10, 8)
    features = sum(table[book][codes[:, book]] for book in range(3))
    torch.testing.assert_close(model.infer_codes(codes), model.infer(features), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="codebooks is 0"):
        make(Vocos, **SMALL).infer_codes(codes)


def test_vocos_wants_sizes_that_halve_and_a_rate_to_train():
    with pytest.raises(ValueError, match="n_fft must be even.*got 63"):
        make(Vocos, **SMALL, hop_size=16, n_fft=63)
    with pytest.raises(ValueError, match="decoder inside another model"):
        make(Vocos, **SMALL)({"mel": torch.zeros(1, 4, 8), "audio": torch.zeros(1, 1024), "samples": torch.tensor([1024])})


@pytest.mark.parametrize(
    "make", [lambda: make(Vocos, **SMALL, hop_size=16, n_fft=64), lambda: make(APNet, n_mel=8, hop_size=16, n_fft=64, win_size=64, **NARROW)]
)
def test_exported_it_knows_no_complex_numbers_and_says_the_same(make):
    model, mel = shaken(make()), torch.randn(1, 8, 30)

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, mel):
            return self.model.decode(mel)

    program = torch.export.export(Whole(), (mel,), dynamic_shapes={"mel": {2: torch.export.Dim("frames", min=8, max=4000)}})
    found = [str(node.target) for node in program.graph.nodes] + [str(n.meta.get("val")) for n in program.graph.nodes]
    assert not [name for name in found if "fft" in name or "complex" in name]
    for frames in (30, 47):
        mel = torch.randn(1, 8, frames)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(mel), model.decode(mel), rtol=1e-4, atol=1e-5)


# APNet


@pytest.mark.parametrize("padding", ["same", "center"])
@pytest.mark.parametrize("n_fft, win_size, hop", [(64, 64, 16), (64, 64, 15), (63, 63, 16), (64, 32, 8)])
def test_apnet_gives_hop_samples_a_frame(n_fft, win_size, hop, padding):
    model = make(APNet, n_mel=8, hop_size=hop, n_fft=n_fft, win_size=win_size, padding=padding, **NARROW, **FEW).eval()
    for frames in (1, 9):
        assert model.infer(torch.randn(2, frames, 8)).shape == (2, frames * hop)


@pytest.mark.parametrize("padding", ["same", "center"])
def test_apnet_reaches_no_further_than_it_says(padding):
    sizes = {"asp_kernel_size": 3, "asp_output_kernel_size": 3, "psp_real_kernel_size": 3, "psp_imag_kernel_size": 5}
    reaches(shaken(make(APNet, n_mel=8, hop_size=16, n_fft=64, win_size=64, padding=padding, **NARROW, **FEW, **sizes)), 16)


def test_apnet_folds_to_the_same():
    model = shaken(make(APNet, n_mel=8, hop_size=16, n_fft=64, win_size=64, **NARROW))
    mel = torch.randn(1, 7, 8)
    before = model.infer(mel)
    torch.testing.assert_close(model.prepared().infer(mel), before, rtol=1e-4, atol=1e-5)
    assert not any("parametrizations" in key for key in model.state_dict())


def test_phase_losses_know_turns_and_shifts():
    mask, phase = torch.ones(2, 6, dtype=torch.bool), torch.rand(2, 6, 9) * 6 - 3
    whole_turns = phase + 2 * math.pi * torch.randint(-2, 3, phase.shape)
    assert phase_loss(whole_turns, phase, mask) < 1e-5
    # A phase off by a constant has the right slopes; one that leans by d a bin is off in the group delay alone, and so on.
    one = lambda x: 1 - math.cos(x)  # noqa: E731
    torch.testing.assert_close(phase_loss(phase + 0.7, phase, mask), torch.tensor(one(0.7)), atol=1e-5, rtol=0)
    bins, frames = torch.arange(9.0), torch.arange(6.0)[:, None]
    delayed = sum(one(0.3 * k) for k in range(9)) / 9 + one(0.3)
    torch.testing.assert_close(phase_loss(phase + 0.3 * bins, phase, mask), torch.tensor(delayed), atol=1e-5, rtol=0)
    faster = sum(one(0.4 * t) for t in range(6)) / 6 + one(0.4)
    torch.testing.assert_close(phase_loss(phase + 0.4 * frames, phase, mask), torch.tensor(faster), atol=1e-5, rtol=0)
    assert phase_loss(phase[:, :1] + 0.7, phase[:, :1], mask[:, :1]).isfinite()


def test_spectral_losses_are_zero_for_the_truth_and_look_at_real_frames_only():
    model = make(APNet, n_mel=8, hop_size=16, n_fft=64, win_size=64, **NARROW)
    truth = model.analysis(torch.randn(2, 160))
    frames = torch.tensor([10, 6])
    for value in spectral_losses(truth, truth, truth, frames).values():
        assert abs(value) < 1e-6
    worse = {name: x.clone() for name, x in truth.items()}
    for x in worse.values():
        x[1, 6:] += 1
    assert all(abs(value) < 1e-6 for value in spectral_losses(worse, truth, truth, frames).values())
    for x in worse.values():
        x[0] += 1
    found = spectral_losses(worse, truth, truth, frames)
    share = 10 / 16
    wanted = {"amplitude": 1, "consistency": 2, "spectrum": 2, "phase": 1 - math.cos(1)}
    assert {k: round(float(v), 4) for k, v in found.items()} == {k: round(v * share, 4) for k, v in wanted.items()}


def test_apnet_says_which_sizes_do_not_fit():
    with pytest.raises(ValueError, match="asp_resblock_dilation_sizes needs a list for each"):
        make(APNet, n_mel=8, asp_resblock_kernel_sizes=(3,))
    with pytest.raises(ValueError, match="psp_real_kernel_size must be odd.*got 4"):
        make(APNet, n_mel=8, psp_real_kernel_size=4)


# Foreign checkpoints


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


MEL = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)


@pytest.mark.parametrize("container", [None, "vocos_checkpoint_epoch=1.ckpt"])
def test_gemelo_folder(tmp_path, container):
    model = shaken(make(Vocos, **SMALL, hop_size=16, n_fft=64, padding="center"))
    head = ("ISTFTHead", {"n_fft": 64, "hop_length": 16, "padding": "center"})
    folder = gemelo_folder(tmp_path, model, head=head, extra={"head.istft.window": torch.hann_window(64)}, container=container)
    vocoder = load(folder, device="cpu")
    np.testing.assert_allclose(vocoder(MEL).samples, model.infer(torch.from_numpy(MEL)[None])[0].numpy(), atol=1e-6)
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
    model = shaken(make(Vocos, n_mel=8, dim=16, intermediate_dim=24, num_layers=2, hop_size=16, n_fft=64, bandwidths=4, codebooks=2))
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
    model = shaken(make(Vocos, **SMALL, hop_size=16, n_fft=64))
    config = {"model_type": "Vocos", "preprocess": {**p, "mel_mean": -4.92, "mel_var": 8.14}, "model": {"vocos": sizes}}
    state = model.state_dict() | {"head.istft.window": torch.hann_window(64)}
    vocoder = load(amphion_folder(tmp_path, config, state), device="cpu")
    np.testing.assert_allclose(vocoder(MEL).samples, model.infer(torch.from_numpy(MEL)[None])[0].numpy(), atol=1e-6)
    how = vocoder.mel_settings.convention
    assert (how.mean, round(how.std**2, 4), how.padding) == (-4.92, 8.14, "same")
    config = {"model_type": "GANVocoder", "preprocess": {**p, "n_mel": 8}, "model": {"generator": "vocos", "vocos": sizes}}
    assert load(amphion_folder(tmp_path, config, state), device="cpu").mel_settings.convention.mean == 0
    config["preprocess"]["mel_mean"] = -4.92
    with pytest.raises(ValueError, match="normalised mel"):
        read_foreign(amphion_folder(tmp_path, config, state))


APNET = {
    "ASP_channel": 6, "ASP_resblock_kernel_sizes": [3, 5], "ASP_resblock_dilation_sizes": [[1, 3], [1, 2]],
    "ASP_input_conv_kernel_size": 5, "ASP_output_conv_kernel_size": 3,
    "PSP_channel": 5, "PSP_resblock_kernel_sizes": [3], "PSP_resblock_dilation_sizes": [[1, 2]],
    "PSP_input_conv_kernel_size": 3, "PSP_output_R_conv_kernel_size": 7, "PSP_output_I_conv_kernel_size": 5,
}  # fmt: skip


def test_apnet_folders_of_both_makers(tmp_path):
    theirs, amphions = tmp_path / "a", tmp_path / "b"
    theirs.mkdir()
    amphions.mkdir()
    c = {**APNET, "num_mels": 8, "n_fft": 64, "hop_size": 8, "win_size": 32, "sampling_rate": 8000, "fmin": 0, "fmax": 4000}
    model = shaken(build(APNet, apnet_sizes(c) | {"padding": "center"}, {"n_mel": 8, "hop_size": 8}))
    (theirs / "config.json").write_text(json.dumps(c))
    torch.save({"generator": old_keys(model.state_dict())}, theirs / "g_00001000")
    vocoder = load(theirs, device="cpu")
    np.testing.assert_allclose(vocoder(MEL).samples, model.infer(torch.from_numpy(MEL)[None])[0].numpy(), atol=1e-6)
    assert vocoder.mel_settings.convention.padding == "center" and vocoder.rate == 8000
    p = {"n_mel": 8, "sample_rate": 8000, "n_fft": 64, "hop_size": 16, "win_size": 64, "fmin": 0, "fmax": 4000}
    config = {"model_type": "GANVocoder", "preprocess": p, "model": {"generator": "apnet", "apnet": APNET}}
    model = shaken(build(APNet, amphion_apnet(config, {})[0], {"n_mel": 8, "hop_size": 16}))
    vocoder = load(amphion_folder(amphions, config, old_keys(model.state_dict())), device="cpu")
    np.testing.assert_allclose(vocoder(MEL).samples, model.infer(torch.from_numpy(MEL)[None])[0].numpy(), atol=1e-6)


def of_manifest(name):
    found = json.loads((MANIFESTS / f"{name}.json").read_text())
    return found, {key: torch.zeros(shape) for key, (shape, _) in found["keys"].items()}


@needs_manifests
@pytest.mark.parametrize("name", ["vocos_mel_24khz", "vocos_encodec_24khz", "vocos_imdct", "vocos_resnet"])
def test_published_vocos_map_strictly(name):
    found, state = of_manifest(f"{name}__gemelo-ai")
    # The kept tables must be what they are; all else is any weight of that shape.
    rate = 24000
    tables = {
        "feature_extractor.mel_spec.mel_scale.fb": lambda: filter_bank(
            sample_rate=rate, n_fft=1024, n_mel=100, fmin=0, fmax=rate / 2, mel_scale="htk", norm="none"
        ),
        "feature_extractor.mel_spec.spectrogram.window": lambda: torch.hann_window(1024),
        "head.istft.window": lambda: torch.hann_window(len(state["head.istft.window"])),
        "head.imdct.window": lambda: torch.sin(torch.pi / 512 * (torch.arange(512) + 0.5)),
    }
    state |= {key: make() for key, make in tables.items() if key in state}
    arguments, facts, _, ours = gemelo_vocos(found["config"], state)
    model = build(Vocos, json.loads(json.dumps(arguments)), {k: facts[k] for k in ("n_mel", "hop_size")})
    fit_weights(model, ours, name)
    foreign = [k for k in found["buffers"] if k in state] + [k for k in state if ".encodec." in k]
    parameters = sum(v.numel() for k, v in state.items() if k not in foreign)
    assert sum(p.numel() for p in model.parameters()) == parameters
    if name == "vocos_encodec_24khz":
        assert model.codebook_weights.shape == (16 * 1024, 128)


@needs_manifests
@pytest.mark.parametrize("name", ["vocos_default", "vocos_vevo"])
def test_amphions_vocos_map_strictly(name):
    found, state = of_manifest(f"{name}__amphion")
    sizes = found["config"]
    state["head.istft.window"] = torch.hann_window(sizes["n_fft"])
    p = {"sample_rate": 24000, "hop_size": sizes["hop_size"], "n_fft": sizes["n_fft"], "n_mel": sizes["input_channels"]}
    made, ours = amphion_vocos({"preprocess": {**p, **found.get("preprocess", {})}, "model": {"vocos": sizes}}, state)
    with torch.device("meta"):
        model = build(Vocos, made["model"], {"n_mel": sizes["input_channels"], "hop_size": sizes["hop_size"]})
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    assert shapes == {key: value.shape for key, value in ours.items()}
    assert sum(p.numel() for p in model.parameters()) == found["param_count"]
    if name == "vocos_vevo":
        assert made["preprocess"]["features"]["mel"]["convention"] == "vevo"


@needs_manifests
@pytest.mark.parametrize("source", ["amphion", "yangai520"])
def test_published_apnet_maps_strictly(source):
    found, state = of_manifest(f"apnet__{source}")
    c = found["config"]
    arguments = amphion_apnet(c, {})[0] if source == "amphion" else apnet_sizes(c)
    facts = {"n_mel": c.get("num_mels", 100), "hop_size": c.get("hop_size", 256)}
    model = build(APNet, json.loads(json.dumps(arguments)), facts)
    assert sum(p.numel() for p in model.parameters()) == found["param_count"]
    fit_weights(model, modern_keys(state), source)


# WORLD

VOICE_RATE = 16000


def vowel(f0, formants, seconds=1.0):
    """A buzz through resonances: harmonics of `f0` (samples,) whose strength follows the formants (Hz)."""
    phase, wave = 2 * np.pi * np.cumsum(f0) / VOICE_RATE, 0.0
    for k in range(1, int(VOICE_RATE / 2 / f0.max())):
        gain = sum(1 / (1 + ((k * f0 - formant) / 80) ** 2) for formant in formants)
        wave = wave + gain * np.sin(k * phase)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


@pytest.mark.parametrize("method", ["dio", "harvest"])
@pytest.mark.parametrize("semitones", [0, 7])
def test_world_keeps_pitch_and_formants(method, semitones):
    t = np.arange(VOICE_RATE) / VOICE_RATE
    f0 = 140 * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * t))
    wave = vowel(f0, (700, 1200, 2600))
    world = World(sample_rate=VOICE_RATE, hop_size=80, method=method)
    made = world.resynthesise(Audio(wave, VOICE_RATE), semitones=semitones)
    assert len(made.samples) == len(wave)
    before, after = world.analyse(wave), world.analyse(made.samples)
    steady = slice(20, -20)
    wanted = np.interp(np.arange(len(after.f0)) * 80, np.arange(len(f0)), f0) * 2 ** (semitones / 12)
    assert np.abs(after.f0 / wanted - 1)[steady].max() < 0.02
    levels = [10 * np.log10(v.envelope[steady].mean(0)) for v in (before, after)]
    hertz = np.linspace(0, VOICE_RATE / 2, len(levels[0]))
    for formant in (700, 1200, 2600):
        near = np.abs(hertz - formant) < 300
        peaks = [hertz[near][np.argmax(level[near])] for level in levels]
        assert abs(peaks[0] - formant) < 110 and abs(peaks[1] - peaks[0]) < (90 if not semitones else 130)


def test_world_keeps_a_recording():
    wave = clip(1.0, 150, 0)
    world = World(sample_rate=VOICE_RATE, hop_size=100)
    voice = world.analyse(wave)
    again = world.analyse(world.synthesise(voice))
    keeps = (voice.f0 > 0) & (again.f0[: len(voice.f0)] > 0)
    assert keeps.mean() > 0.9
    apart = np.abs(np.log10(voice.envelope) - np.log10(again.envelope[: len(voice.f0)]))[keeps]
    assert 10 * np.median(apart) < 3  # dB


def test_world_on_silence_and_on_next_to_nothing():
    world = World(sample_rate=VOICE_RATE, hop_size=256)
    silence = world.resynthesise(Audio(np.zeros(5000, np.float32), VOICE_RATE))
    assert len(silence.samples) == 5000 and silence.peak < 1e-4
    assert not world.analyse(np.zeros(5000)).f0.any()
    for samples in (1, 2, 255, 256, 257, 600):
        short = world.resynthesise(Audio(clip(1.0, 150, 0)[:samples], VOICE_RATE))
        assert len(short.samples) == samples and np.isfinite(short.samples).all()
    for bad in (np.zeros(0), np.array([0.0, np.nan])):
        with pytest.raises(ValueError, match="one sample or more, without NaN"):
            world.analyse(bad)


def test_world_takes_another_rate_a_given_pitch_and_refuses_what_does_not_fit():
    world = World(sample_rate=VOICE_RATE, hop_size=160)
    assert world.resynthesise(Audio(clip(1.0, 150, 0), 8000)).rate == VOICE_RATE
    wave = vowel(np.full(VOICE_RATE, 120.0), (600, 1500))
    voice = world.analyse(wave, f0=np.full(101, 120.0))
    higher = world.analyse(world.synthesise(voice.shifted(12)))
    assert abs(np.median(higher.f0) / 240 - 1) < 0.01
    with pytest.raises(ValueError, match="f0 has 7 frames, and 16000 samples have 101"):
        world.analyse(wave, f0=np.full(7, 120.0))
    with pytest.raises(ValueError, match="need the same frames"):
        world.synthesise(Voice(f0=voice.f0[:5], envelope=voice.envelope, aperiodicity=voice.aperiodicity))
    with pytest.raises(ValueError, match="0 < fmin < fmax"):
        World(sample_rate=8000, fmin=500, fmax=100)
    with pytest.raises(ValueError, match="pitch tracker"):
        World(sample_rate=8000, method="swipe")
