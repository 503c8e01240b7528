"""Voice conversion by VITS, RVC's, so-vits-svc's and Amphion's: training, slices, what stands beside in a batch, and published voices."""

import copy
import json

import numpy as np
import pytest
import torch

from models import load
from models.base.experiment import build_model
from models.base.tables import tells_speakers
from models.svc.decoding import sound
from models.svc.rvc import RVC
from models.svc.sovits import CausalSizes, SharingFlow, SoVITS
from models.svc.vits import VitsSVC
from models.upstream import foreign_model_type, read_foreign
from models.upstream.sovits import sovits as from_sovits
from models.upstream.vits_svc import from_vitssvc
from modules.causal import CausalTransformer
from modules.noise import Noise
from modules.pitch import bridged
from preprocessors.base import Utterance
from processors.spectra import Energy
from tests import svc
from tests.conftest import SHARED
from tests.parity import old_keys
from tests.test_contract import inputs_of
from tests.test_models import card_of, make_batch, only_losses
from utils.audio import Audio
from utils.config import build

NAMES = ("VitsSVC", "SoVITS", "RVC")
HOP = 256
MANIFESTS = SHARED / "parity/manifests"


def model_of(name, **settings):
    torch.manual_seed(0)
    card = card_of(name)
    card["model"] = {**card["model"], **settings}
    return build_model(card)


@pytest.mark.parametrize("name", NAMES)
def test_all_losses_fall(name):
    model = model_of(name).train()
    batch = make_batch([40, 40], HOP)
    steps = torch.arange(40 * HOP) / 22050
    batch["audio"] = 0.3 * torch.sin(2 * torch.pi * 220 * steps).expand(2, -1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    seen = []
    for _ in range(30):
        losses = only_losses(model(batch))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        seen.append({key: value.item() for key, value in losses.items()})
    wanted = {"mel", "kl", "f0"} if name == "SoVITS" else {"mel", "kl"}
    assert seen[0].keys() == wanted
    for key in wanted:
        before = sum(losses[key] for losses in seen[:5])
        after = sum(losses[key] for losses in seen[-5:])
        assert after < 0.9 * before, (key, before, after)


@pytest.mark.parametrize("name", NAMES)
def test_a_slice_is_led_by_its_own_melody(name):
    model = model_of(name).eval()
    batch = make_batch([60], HOP)
    contents = {content: batch[content] for content in model.contents}
    inputs = (contents, batch["f0"], batch["energy"], batch["speaker"], batch["linear"], batch["frames"])
    noise = {"slice": torch.tensor([0.5])}
    out = model.teacher_forced(*inputs, noise=noise)
    start = out["start"].item()
    assert start == 14
    torch.testing.assert_close(out["f0"], batch["f0"][:, start : start + model.slice_frames])


def test_the_decoder_follows_the_melody():
    model = model_of("VitsSVC").eval()
    z = torch.randn(1, 8, 10)
    low, high = (sound(model.dec, z, torch.full((1, 10), hertz), None, Noise(0)) for hertz in (110.0, 220.0))
    assert (low - high).abs().max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_sings_the_same_twice_and_another_differently(name):
    model = model_of(name).eval()
    inputs = inputs_of(model, 20)
    first, again, other = (model.infer(**inputs, seed=seed)["audio"] for seed in (3, 3, 4))
    assert first.shape == (1, 20 * HOP)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert (first - other).abs().max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_beside_in_a_batch_is_not_heard(name):
    model = model_of(name).eval()
    batch = make_batch([30, 19], HOP, pad_frames=5)
    contents = {content: batch[content] for content in model.contents}
    frames = torch.tensor([19])
    inputs = (batch["f0"], batch["energy"], batch["speaker"])
    both = model.infer(contents, *inputs, batch["frames"], noise_scale=0.0, seed=1)
    second = {content: array[1:, :19] for content, array in contents.items()}
    alone = model.infer(second, *(x[1:, :19] if x.ndim == 2 else x[1:] for x in inputs), frames, noise_scale=0.0, seed=1)
    assert both["samples"].tolist() == [30 * HOP, 19 * HOP]
    torch.testing.assert_close(both["z"][1:, :, :19], alone["z"], rtol=1e-4, atol=1e-5)
    assert not both["audio"][1, 19 * HOP :].any()


@pytest.mark.parametrize("name", [*NAMES, "hifigan"])
def test_a_long_song_is_made_in_pieces_that_are_the_whole(name, monkeypatch):
    model = model_of("VitsSVC", decoding={"vocoder": "hifigan", "sizes": {"generator": svc.GENERATOR}}) if name == "hifigan" else model_of(name)
    inputs = inputs_of(model.eval(), 70)
    whole = model.infer(**inputs, seed=3)["audio"]
    monkeypatch.setattr("models.svc.decoding.LONG", 30)
    monkeypatch.setattr("models.svc.decoding.PIECE", 10)
    widths = []
    decode = model.dec.decode
    monkeypatch.setattr(model.dec, "decode", lambda z, *rest: widths.append(z.shape[2]) or decode(z, *rest))
    pieces = model.infer(**inputs, seed=3)["audio"]
    assert len(widths) > 2 and max(widths) < 40
    torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("vocoder", ["hifigan", "bigvgan", "melgan", "apnet"])
def test_any_vocoder_may_be_inside(vocoder):
    sizes = {
        "hifigan": {"generator": svc.GENERATOR},
        "bigvgan": {"generator": svc.GENERATOR},
        "melgan": {"ratios": [16, 16], "ngf": 4, "n_residual_layers": 1},
        "apnet": {"asp": {"channels": 8}, "psp": {"channels": 8}},
    }
    decoding = {"vocoder": vocoder, "sizes": sizes[vocoder], "mel_bands": 40}
    model = model_of("VitsSVC", decoding=decoding)
    out = model.train()(make_batch([36, 33], HOP))
    assert out["fake"].shape == out["real"].shape == (2, 1, 32 * HOP)
    sum(only_losses(out).values()).backward()
    audio = model.eval().infer(**inputs_of(model, 9), seed=0)["audio"]
    assert audio.shape == (1, 9 * HOP)


def test_a_wrong_vocoder_is_told_by_its_settings():
    with pytest.raises(ValueError, match=r"decoding\.sizes\.upsample"):
        model_of("VitsSVC", decoding={"sizes": {"upsample": [16, 16]}})
    with pytest.raises(ValueError, match=r"model\.sizes\.hidden: 24"):
        model_of("VitsSVC", sizes={"hidden": 24})
    with pytest.raises(ValueError, match="width of whisper"):
        model_of("RVC", contents=["whisper"])


def test_a_voice_without_posterior_sings_and_is_not_trained():
    sizes = {**svc.TINY["RVC"]["model"]["sizes"], "posterior": None}
    model = model_of("RVC", sizes=sizes).eval()
    assert model.infer(**inputs_of(model, 6), seed=0)["audio"].isfinite().all()
    with pytest.raises(ValueError, match=r"G_\*\.pth"):
        model(make_batch([33], HOP))


def test_a_voice_may_be_that_of_a_recording():
    card = card_of("VitsSVC")
    card["model"] = {**card["model"], "condition": {**svc.CONDITION, "speakers": "vectors"}}
    card["facts"] = {**card["facts"], "channels": {**svc.CHANNELS, "speaker_vector": 6}}
    model = build_model(card).train()
    assert "speaker_vector" in VitsSVC.features_of(card["model"])
    assert not tells_speakers(model) and tells_speakers(model_of("VitsSVC"))
    batch = make_batch([34, 33], HOP) | {"speaker_vector": torch.randn(2, 6)}
    out = model(batch)
    assert all(loss.isfinite() for loss in only_losses(out).values())


# so-vits-svc: its F0, its flows


def test_a_melody_is_drawn_through_its_gaps():
    f0 = torch.tensor([[0.0, 100, 0, 0, 160, 0], [0.0, 0, 0, 0, 0, 0], [5.0, 0, 0, 0, 0, 0]])
    expected = torch.tensor([[100.0, 100, 120, 140, 160, 160], [0.0] * 6, [5.0] * 6])
    torch.testing.assert_close(bridged(f0), expected)


def test_it_works_out_a_melody_of_its_own():
    model = model_of("SoVITS", bridges_f0=True).eval()
    inputs = inputs_of(model, 16)
    inputs["f0"][:, 4:7] = 0
    plain = model.infer(**inputs, seed=0)
    assert (plain["f0"][:, 4:7] > 0).all()
    own = model.infer(**inputs, seed=0, own_melody=True)
    assert own["f0"].isfinite().all() and (own["f0"] >= 0).all()
    assert (own["f0"] - plain["f0"]).abs().max() > 1
    with pytest.raises(ValueError, match="own_melody"):
        model_of("SoVITS", melodic=False).eval().infer(**inputs, own_melody=True)


def test_no_frame_sees_a_later_one():
    network = CausalTransformer(channels=8, filter_channels=12, layers=2, condition_channels=3).eval()
    x = torch.randn(1, 8, 12)
    mask = torch.ones(1, 1, 12)
    voice = torch.randn(1, 3, 1)
    moved = x.clone()
    moved[:, :, 7] += 1
    difference = (network(x, mask, voice) - network(moved, mask, voice)).abs().amax((0, 1))
    assert not difference[:7].any() and (difference[7:] > 0).all()


FLOWS = {
    "shared": SharingFlow(flows=3, layers=2, shared=True),
    "causal": SharingFlow(flows=2, causal=CausalSizes(layers=2, filter=12)),
    "shared_causal": SharingFlow(flows=2, causal=CausalSizes(layers=1, filter=12), shared=True),
    "separable": SharingFlow(flows=2, layers=2, separable=True),
}


@pytest.mark.parametrize("name", FLOWS)
def test_every_flow_is_undone(name):
    flow = FLOWS[name].network(6, 8, 5).eval()
    for coupling in flow.flows[::2]:
        torch.nn.init.normal_(coupling.post.weight, 0, 0.3)
    x, mask, voice = torch.randn(2, 6, 9), torch.ones(2, 1, 9), torch.randn(2, 5, 1)
    with torch.no_grad():
        y, _ = flow(x, mask, voice)
        assert (y - x).abs().max() > 1e-2
        torch.testing.assert_close(flow.inverse(y, mask, voice), x, rtol=1e-4, atol=1e-5)


def test_couplings_share_a_network_that_is_kept_once():
    flow = FLOWS["shared"].network(6, 8, 5)
    names = flow.state_dict().keys()
    assert any(key.startswith("wn.") for key in names) and not any(".enc." in key for key in names)
    moved = copy.deepcopy(flow)
    assert moved.flows[0].shared[0] is moved.wn is not flow.wn


# Published voices


@pytest.mark.skipif(not MANIFESTS.is_dir(), reason="no ../shared/parity/manifests beside the repository")
@pytest.mark.parametrize("kind", ["", "_hifigan", "_bigvgan", "_melgan", "_apnet"])
def test_every_key_of_amphions_voices_has_its_place(kind):
    manifest = json.loads((MANIFESTS / f"vitssvc{kind}__amphion.json").read_text())
    section = manifest["config"]
    p = section["preprocess"]
    state = empty(manifest)
    with torch.device("meta"):
        arguments, facts, weights = from_vitssvc(section, state, n_fft=p["n_fft"], win_size=p["win_size"])
        model = build(VitsSVC, arguments, facts)
    assert_fits(model, weights)
    idle = state["enc_p.f0_emb.weight"].numel()  # which nothing reads there, and ours does not have
    assert sum(value.numel() for value in weights.values()) == manifest["state_dict_numel"] - idle


@pytest.mark.skipif(not MANIFESTS.is_dir(), reason="no ../shared/parity/manifests beside the repository")
def test_every_key_of_a_sovits_has_its_place():
    manifest = json.loads((MANIFESTS / "sovits__so-vits-svc.json").read_text())
    with torch.device("meta"):
        arguments, facts, weights = from_sovits(manifest["config"].get("model", manifest["config"]), empty(manifest), n_fft=2048, win_size=2048)
        model = build(SoVITS, arguments, facts | {"sample_rate": 44100, "hop_size": 512})
    assert_fits(model, weights)


def empty(manifest):
    """Weights of the shapes of a manifest, which take no memory."""
    return {key: torch.empty(shape, device="meta") for key, (shape, _) in manifest["keys"].items()}


def assert_fits(model, weights):
    """Every weight by its name and shape, and none left over."""
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert {key: tuple(value.shape) for key, value in weights.items()} == wanted


def theirs(model, *, led=True):
    """The weights of a voice under the names that its program has them by."""
    renamed = {}
    for key, value in old_keys(model.state_dict()).items():
        key = key.replace("dec.generator.", "dec.") if led else key
        renamed[key] = value
    return renamed


def rvc_section():
    """The list of settings of a small voice at 22050 / 100 frames a second."""
    return [513, 32, 8, 16, 16, 2, 1, 3, 0, "1", [3], [[1, 3]], [15, 15], 16, [31, 31], 109, 8, 22500]


def rvc_voice(width=768, *, f0=1):
    """What a <name>.pth holds."""
    pitched = bool(f0)
    generator = {"upsample_rates": [15, 15], "upsample_kernel_sizes": [31, 31]}
    sizes = {"generator": svc.GENERATOR | generator}
    variant = {"variant": {"plain_ends": True}}
    decoding = {"vocoder": "nsfhifigan", "sizes": sizes | variant | {"harmonics": 0}}
    if not pitched:
        decoding = {"vocoder": "hifigan", "sizes": sizes | variant}
    latent = {"hidden": 16, "latent": 8, "speaker_channels": 8, "encoder": {"layers": 1, "filter": 16, "window": 10}, "posterior": None}
    section = {"pitched": pitched, "sizes": latent, "flow": {"layers": 3}, "decoding": decoding}
    facts = {"channels": {"contentvec": width}, "n_speakers": 3, "sample_rate": 22500, "hop_size": 225}
    model = build(RVC, section, facts)
    weights = {}
    for key, value in theirs(model, led=pitched).items():
        key = key.replace("enc_p.enc_.", "enc_p.encoder.")
        key = f"enc_p.{key}" if key.startswith(("emb_phone", "emb_pitch")) else key
        weights[key] = value.half()
    found = {"weight": weights, "config": rvc_section(), "info": "20epoch", "sr": "22k", "f0": f0, "version": "v2"}
    return model, found


@pytest.mark.parametrize(("width", "f0"), [(768, 1), (256, 1), (256, 0)])
def test_a_voice_of_rvc_loads(width, f0, tmp_path):
    model, found = rvc_voice(width, f0=f0)
    torch.save(found, tmp_path / "ann.pth")
    torch.save(found, tmp_path / "another.pth")
    task = load(tmp_path / "ann.pth", device="cpu")
    assert task.name == "RVC" and task.speakers == ["rvc_ann"] and task.rate == 22500
    heard = {768: {"layer": 12}, 256: {"layer": 9, "final_proj": True}}[width] | {"alignment": "upstream", "highpass": 48}
    features = task.card["preprocess"]["features"]
    assert features["contentvec"] == heard and features["f0"]["highpass"] == 48
    inputs = {"contents": {"contentvec": torch.randn(1, 7, width)}, "f0": torch.full((1, 7), 200.0), "seed": 2}
    sung = task.model.infer(**inputs)["audio"]
    assert sung.shape == (1, 7 * 225)
    rounded = {key: value.half().float() for key, value in model.state_dict().items()}
    model.load_state_dict(rounded)
    torch.testing.assert_close(sung, model.eval().infer(**inputs)["audio"], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"another\.pth"):
        load(tmp_path)


def test_what_is_no_voice_of_rvc_is_told(tmp_path):
    _, found = rvc_voice()
    torch.save(found | {"config": [1, 2]}, tmp_path / "cut.pth")
    with pytest.raises(ValueError, match="list of 18 settings"):
        read_foreign(tmp_path / "cut.pth")
    torch.save({"model": found["weight"], "iteration": 3}, tmp_path / "cut.pth")
    with pytest.raises(ValueError, match=r"config\.json of that training"):
        read_foreign(tmp_path / "cut.pth")
    torch.save({"state_dict": {"a.weight": torch.zeros(2)}}, tmp_path / "cut.pth")
    with pytest.raises(ValueError, match="none of the configurations"):
        read_foreign(tmp_path / "cut.pth")


def test_a_voice_of_rvc_that_holds_nan_is_told(tmp_path):
    _, found = rvc_voice()
    found["weight"]["emb_g.weight"][0, 0] = float("nan")
    torch.save(found, tmp_path / "broken.pth")
    with pytest.raises(ValueError, match=r"broken\.pth: emb_g.weight holds NaN"):
        read_foreign(tmp_path / "broken.pth")


@pytest.mark.parametrize(("lost", "said"), [("flow.", "flow.flows.0"), ("enc_p.emb_pitch.", "enc_p.emb_pitch.weight")])
def test_a_voice_of_rvc_that_lacks_a_part_is_no_voice_without_it(lost, said, tmp_path):
    _, found = rvc_voice()
    found["weight"] = {key: value for key, value in found["weight"].items() if not key.startswith(lost)}
    torch.save(found, tmp_path / "cut.pth")
    with pytest.raises(ValueError, match=f"hold.* no {said}"):
        read_foreign(tmp_path / "cut.pth")


def test_a_file_of_nobodys_in_a_folder_above_is_no_matter(tmp_path):
    """A voice says all itself, and a program that publishes a configuration looks for it in folders above, too."""
    folder = tmp_path / "voices/ann"
    folder.mkdir(parents=True)
    (tmp_path / "config.json").write_text("{ not: JSON")
    (tmp_path / "notes.json").write_text("")
    torch.save(rvc_voice()[1], folder / "ann.pth")
    assert load(folder / "ann.pth", device="cpu").name == "RVC"
    (folder / "ann.pth").unlink()
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON|notes\.json"):
        read_foreign(folder)


SOVITS = {
    "train": {"segment_size": 4096},
    "data": {"sampling_rate": 22050, "filter_length": 1024, "hop_length": 256, "win_length": 1024, "n_mel_channels": 40},
    "model": {
        "n_heads": 2, "filter_channels": 16, "p_dropout": 0.1, "ssl_dim": 768, "speech_encoder": "vec768l12",
        "upsample_rates": [16, 16], "upsample_kernel_sizes": [32, 32], "upsample_initial_channel": 16, "resblock": "1",
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3]], "vocoder_name": "nsf-hifigan",
    },
    "spk": {"zoe": 0, "ann": 1},
}  # fmt: skip


def sovits_voice(folder, flow, **model):
    """A small voice as its program writes it, and ours that it was made of."""
    settings = {**svc.TINY["SoVITS"]["model"], "contents": ["contentvec"], "flow": flow, "loud": True, "bridges_f0": True}
    facts = {"channels": {"contentvec": 768}, "n_speakers": 4, "sample_rate": 22050, "hop_size": 256}
    voice = build(SoVITS, settings, facts)
    weights = {}
    for key, value in theirs(voice).items():
        weights[f"enc_p.{key}" if key.startswith("f0_emb") else key] = value
        if key.startswith("flow.wn."):  # its couplings have it too, by their own names
            for place in range(0, 2 * settings["flow"]["flows"], 2):
                weights[key.replace("flow.wn.", f"flow.flows.{place}.enc.")] = value
    folder.mkdir(exist_ok=True)
    torch.save({"model": weights, "iteration": 5, "optimizer": {}, "learning_rate": 1e-4}, folder / "G_10.pth")
    torch.save({"model": {}}, folder / "D_10.pth")
    (folder / "config.json").write_text(json.dumps(SOVITS | {"model": SOVITS["model"] | model}))
    return voice


@pytest.mark.parametrize("flow", [{"layers": 2}, {"layers": 1, "shared": True}, {"causal": {"layers": 1, "filter": 16}}, {"separable": True}])
def test_a_voice_of_sovits_loads(flow, tmp_path):
    flow = {"flows": 4, **flow}
    voice = sovits_voice(tmp_path / "voice", flow).eval()
    assert foreign_model_type(tmp_path / "voice") == "SoVITS"
    task = load(tmp_path / "voice", device="cpu")
    assert task.speakers == ["sovits_zoe", "sovits_ann"]
    features = task.card["preprocess"]["features"]
    assert features["contentvec"] == {"layer": 12} and features["energy"] == {"measure": "rms"}
    inputs = {
        "contents": {"contentvec": torch.randn(1, 7, 768)}, "f0": torch.tensor([[0.0, 200, 210, 0, 0, 220, 0]]),
        "energy": torch.rand(1, 7), "speaker": torch.tensor([1]), "seed": 2,
    }  # fmt: skip
    torch.testing.assert_close(task.model.infer(**inputs)["audio"], voice.infer(**inputs)["audio"], rtol=1e-4, atol=1e-5)


def test_a_sovits_that_cannot_be_read_says_why(tmp_path):
    sovits_voice(tmp_path / "voice", {"flows": 4}, vocoder_name="nsf-snake-hifigan")
    with pytest.raises(ValueError, match="nsf-snake-hifigan"):
        read_foreign(tmp_path / "voice")
    sovits_voice(tmp_path / "voice", {"flows": 4}, speech_encoder="dphubert")
    with pytest.raises(ValueError, match="dphubert"):
        read_foreign(tmp_path / "voice")
    sovits_voice(tmp_path / "voice", {"flows": 4}, ssl_dim=256, speech_encoder="vec256l9")
    with pytest.raises(ValueError, match="ssl_dim is 256, but the weights read 768 channels"):
        read_foreign(tmp_path / "voice")


def test_a_folder_of_amphion_loads(tmp_path):
    vocoder = {**svc.GENERATOR, "resblock": "1", "harmonic_num": 8}
    section = {
        "merge_mode": "add", "use_f0": True, "use_uv": True, "use_energy": True, "use_spkid": True, "n_bins_melody": 256,
        "n_bins_loudness": 256, "output_melody_dim": 16, "output_loudness_dim": 16, "output_singer_dim": 16, "content_encoder_dim": 16,
        "use_whisper": True, "whisper_dim": 6, "use_contentvec": True, "contentvec_dim": 5,
    }  # fmt: skip
    vits = {"p_dropout": 0.1}
    preprocess = {"sample_rate": 22050, "hop_size": 256, "n_fft": 1024, "win_size": 1024, "n_mel": 40}
    config = {"condition_encoder": section, "vits": vits, "generator": "nsfhifigan", "generator_config": {"nsfhifigan": vocoder}}
    (tmp_path / "args.json").write_text(json.dumps({"model_type": "VitsSVC", "preprocess": preprocess, "model": config}))
    (tmp_path / "singers.json").write_text(json.dumps({"opencpop_ann": 1, "m4singer_bob": 0}))
    settings = {**svc.TINY["VitsSVC"]["model"], "contents": ["whisper", "contentvec"], "flow": {"flows": 4, "layers": 1}}
    facts = {"channels": {"whisper": 6, "contentvec": 5}, "n_speakers": 2, "sample_rate": 22050, "hop_size": 256}
    lost = {"phases": "frame", "ignores_f0": True}
    settings["decoding"] = {"sizes": {"generator": svc.GENERATOR, "variant": lost}, "mel_bands": 40}
    settings["condition"] = {**svc.CONDITION, "energy_min": 1e-30, "energy_max": 1.5}
    voice = build(VitsSVC, settings, facts).eval()
    weights = theirs(voice) | {"enc_p.f0_emb.weight": torch.randn(256, 16)}
    folder = tmp_path / "checkpoint/epoch-0001_step-0000002_loss-3.0"
    folder.mkdir(parents=True)
    torch.save(weights, folder / "pytorch_model.bin")
    task = load(tmp_path, device="cpu")
    assert task.name == "VitsSVC" and task.speakers == ["m4singer_bob", "opencpop_ann"]
    features = task.card["preprocess"]["features"]
    assert features["contentvec"] == {"alignment": "upstream", "layer": 12, "final_proj": True}
    assert features["energy"] == {"measure": "mel"}
    contents = {"whisper": torch.randn(1, 7, 6), "contentvec": torch.randn(1, 7, 5)}
    inputs = {"contents": contents, "f0": torch.full((1, 7), 180.0), "energy": torch.rand(1, 7), "speaker": torch.tensor([1]), "seed": 2}
    torch.testing.assert_close(task.model.infer(**inputs)["audio"], voice.infer(**inputs)["audio"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["same", "center"])
def test_energy_may_be_a_root_mean_square_around_each_frame(padding):
    samples = np.zeros(1000, dtype=np.float32)
    samples[600:700] = 0.5
    feature = Energy(hop_size=100, measure="rms", frame_padding=padding)
    energy = feature(Utterance("a"), Audio(samples, 8000))
    if padding == "same":
        assert energy.tolist() == [0.0] * 6 + [0.5] + [0.0] * 3
    else:
        wanted = np.zeros(11, dtype=np.float32)
        wanted[6:8] = 0.125**0.5
        np.testing.assert_allclose(energy, wanted, atol=1e-6)
