"""What the pages tell a user to type works: Python blocks run, commands name programs, options and files that exist."""

import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch

from bins import recipe
from models.base.card import build_model
from models.base.checkpoint import save_release
from models.vocoders.hifigan import HiFiGAN
from tests import audioldm
from tests.conftest import ROOT, clip, make
from tests.parity import old_keys
from tests.test_models import card_of

PAGES = [ROOT / "README.md", *sorted((ROOT / "egs").rglob("*.md"))]


def blocks(page, kind):
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands():
    """Every command line of a page, without its explanation, as (page, words)."""
    for page in PAGES:
        for block in blocks(page, "(?:text|sh|bash)"):
            for line in block.splitlines():
                line = re.split(r"\s{3,}|\s+#\s", line.strip())[0]
                line = re.sub(r"^amphion (\w+)", r"python -m bins.\1", line)  # which is the same
                if re.match(r"(sh egs/|python -m bins\.)", line) and "..." not in line and "<" not in line:
                    yield pytest.param(shlex.split(line), id=f"{page.parent.relative_to(ROOT)}: {line[:60]}")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_name_what_exists(words, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    if words[0] == "sh":
        assert (ROOT / words[1]).is_file(), words[1]
        folder, rest = words[1].rpartition("/")[0], words[2:]
    elif words[2] == "bins.recipe":
        folder, rest = words[3], words[4:]
    else:
        named = [w for w in words[3:] if w.startswith(("config/", "egs/"))]
        assert all((ROOT / n).exists() for n in named), named
        shown = subprocess.run([sys.executable, *words[1:3], "--help"], capture_output=True, text=True, cwd=ROOT).stdout
        unknown = [w for w in words[3:] if w.startswith("--") and w.split("=")[0] not in shown]
        assert not unknown or words[2] == "bins.infer", unknown  # what infer takes beyond these depends on the model
        return
    if not (ROOT / folder / "exp_config.json").is_file():  # a script that is no recipe: its own tests run it
        return
    assert recipe.main([folder, *rest, "--dry-run"]) == 0
    assert "bins." in capsys.readouterr().out


def test_python_of_the_front_page_runs(tmp_path, monkeypatch):
    """In a folder that holds what the page speaks of: our voice, someone's HiFi-GAN, an AudioLDM, a recording."""
    from utils.audio import Audio
    from utils.files import write_json

    monkeypatch.chdir(tmp_path)
    (tmp_path / "pretrained").symlink_to(ROOT / "pretrained")
    sizes = {"upsample_rates": [8, 8, 4], "upsample_kernel_sizes": [16, 16, 8], "upsample_initial_channel": 16, "resblock": "2"}
    sizes |= {"resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 2], [2, 6]]}
    theirs = {"num_mels": 20, "n_fft": 1024, "hop_size": 256, "win_size": 1024, "sampling_rate": 22050, "fmin": 0, "fmax": 8000}
    write_json(tmp_path / "path/to/UNIVERSAL_V1/config.json", {**sizes, **theirs})
    torch.save({"generator": old_keys(make(HiFiGAN, n_mel=20, **sizes).state_dict())}, tmp_path / "path/to/UNIVERSAL_V1/g_02500000")
    card = card_of("TransformerSVC") | {"speakers": ["made_a_singer", "made_another"], "registers": {"made_a_singer": 200.0}}
    save_release(tmp_path / "my_converter", card, build_model(card).state_dict())
    audioldm.release(tmp_path).rename(tmp_path / "path/to/audioldm-s-full-v2")
    for name in ("recording.wav", "song.wav"):
        Audio(clip(1.0, 150, 0), 16000).write(tmp_path / name)
    found = blocks(ROOT / "README.md", "python")
    assert found
    for block in found:
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102
    for name in ("hello.wav", "sung.wav", "rain.wav", "resynthesised.wav"):
        assert np.isfinite(Audio.read(tmp_path / name).samples).all()


def test_links_between_pages_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page}: {target}"
