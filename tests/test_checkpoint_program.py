"""bins.checkpoint: what it shows of ours and others', what it finds different, what it converts and refuses."""

import json

import numpy as np
import pytest
import torch

from bins.checkpoint import container, contents, differences, main
from models import load
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from models.upstream.jik876 import hifigan_sizes
from models.vocoders.hifigan import HiFiGAN
from tests.conftest import make
from tests.parity import old_keys
from tests.test_load import Malicious
from tests.test_models import card_of
from tests.test_upstream import JIK876, MEL, SIZES


@pytest.fixture
def network():
    torch.manual_seed(0)
    return make(HiFiGAN, n_mel=20, **hifigan_sizes(SIZES)).eval()


@pytest.fixture
def foreign(tmp_path, network):
    """A g_* file of jik876 with its configuration."""
    folder = tmp_path / "universal"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(JIK876))
    torch.save({"generator": old_keys(network.state_dict()), "steps": 25}, folder / "g_00000025")
    return folder / "g_00000025"


def release(folder, name="HiFiGAN", change=None):
    torch.manual_seed(0)
    card = card_of(name)
    weights = build_model(card).state_dict()
    if change:
        change(card, weights)
    save_release(folder, card, weights)
    return folder


def test_show_ours(tmp_path, capsys):
    assert main(["show", str(release(tmp_path / "a")), "--all"]) == 0
    said = capsys.readouterr().out
    for part in ("safetensors", "ours", "HiFiGAN", "loads       yes", "preprocess.sample_rate", "conv_post", "float32", "norm"):
        assert part in said
    weight = contents(tmp_path / "a").tensors["conv_pre.bias"]
    line = next(line for line in said.splitlines() if line.strip().startswith("conv_pre.bias"))
    assert f"{float(weight.norm()):.6g}" in line and " 64 " in line


def test_show_a_foreign_file(foreign, capsys):
    assert main(["show", str(foreign)]) == 0
    said = capsys.readouterr().out
    assert "torch zip" in said and "jik876 (config.json)" in said and "HiFiGAN" in said and "loads       yes" in said
    assert "more: --all" in said
    assert contents(foreign).settings["(in the file) steps"] == 25


def test_show_a_file_without_its_configuration(foreign, tmp_path, capsys):
    alone = tmp_path / "alone" / "in" / "here" / "g_1"
    alone.parent.mkdir(parents=True)
    foreign.rename(alone)
    assert main(["show", str(alone)]) == 0
    said = capsys.readouterr().out
    assert "unknown" in said and "generator.conv_pre.weight_g" in said and "no checkpoint of ours" in said
    with pytest.raises(ValueError, match="cannot be converted"):
        main(["convert", str(alone), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_show_lists_every_missing_and_unknown_tensor(tmp_path, capsys):
    def change(card, weights):
        del weights["conv_pre.bias"], weights["conv_post.bias"]
        weights["stranger"] = torch.full((2,), float("nan"))
        weights["ups.0.bias"] = weights["ups.0.bias"][:3]

    main(["show", str(release(tmp_path / "a", change=change)), "--all"])
    said = capsys.readouterr().out
    assert "loads       no" in said and "2 NaN or infinite" in said
    for line in ("missing conv_pre.bias", "missing conv_post.bias", "unknown stranger", "ups.0.bias is (3,), not (32,)"):
        assert line in said
    with pytest.raises(ValueError, match="(?s)cannot be converted.*missing conv_post.bias.*unknown stranger"):
        main(["convert", str(tmp_path / "a"), str(tmp_path / "out")])


def test_what_cannot_be_read_is_refused(tmp_path, capsys):
    torch.save({"generator": Malicious()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="is refused"):
        main(["show", str(tmp_path / "evil.pt")])
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(ValueError, match="damaged"):
        main(["show", str(tmp_path / "cut.safetensors")])
    with pytest.raises(ValueError, match="nothing at"):
        main(["show", str(tmp_path / "nowhere")])
    assert "code ran" not in capsys.readouterr().out


def test_the_same_and_each_way_to_differ(tmp_path, capsys):
    a = release(tmp_path / "a")
    assert main(["diff", str(a), str(a)]) == 0
    assert "the same" in capsys.readouterr().out

    def change(card, weights):
        card["step"] = 9
        weights["conv_pre.bias"][3] += 0.5
        weights["ups.0.bias"] = weights["ups.0.bias"].half()
        weights["ups.1.bias"] = weights["ups.1.bias"][:3]
        weights["new"] = weights.pop("conv_post.bias")

    b = release(tmp_path / "b", change=change)
    assert main(["diff", str(a), str(b)]) == 1
    found = differences(contents(a), contents(b))
    assert found["settings"] == ["step: 1 and 9"]
    assert [line.split()[0] for line in found[f"only in {a}"]] == ["conv_post.bias"]
    assert [line.split()[0] for line in found[f"only in {b}"]] == ["new"]
    assert found["of other shapes"] == ["ups.1.bias: 16 and 3"]
    assert "ups.0.bias: torch.float32 and torch.float16" in found["of other types"]
    moved = next(line for line in found["of other values"] if line.startswith("conv_pre.bias"))
    assert "by 0.5 at most" in moved


@pytest.mark.parametrize("words", [[], ["--half"]])
def test_a_foreign_checkpoint_becomes_a_release_that_says_the_same(foreign, network, tmp_path, words):
    out = tmp_path / "release"
    assert main(["convert", str(foreign), str(out), *words]) == 0
    made = load(out, device="cpu")(MEL).samples
    expected = network.infer(torch.from_numpy(MEL)[None])[0].numpy()
    np.testing.assert_allclose(made, expected, atol=1e-4 if words else 1e-6)
    assert contents(out).container == container(out / "model.safetensors") == "safetensors"
    card = json.loads((out / "card.json").read_text())
    assert card["converted_from"] == "jik876 (config.json): g_00000025" and str(tmp_path) not in json.dumps(card)
    with pytest.raises(ValueError, match="is there already"):
        main(["convert", str(foreign), str(out)])


def test_containers(tmp_path):
    for modern, name in ((True, "torch zip"), (False, "torch pickle of before 1.6")):
        path = tmp_path / f"{modern}.pt"
        torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=modern)
        assert container(path) == name
        assert list(contents(path).tensors) == ["a"]
    (tmp_path / "x.pt").write_bytes(b"hello")
    assert container(tmp_path / "x.pt") == "unknown" and container(tmp_path) == "folder"
