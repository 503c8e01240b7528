"""bins.release: a whole card or none, half the size, and a usage line that works."""

import json
import re

import numpy as np
import pytest

from bins.release import ABOUT, main
from models import load
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from tests.test_models import card_of
from utils.audio import Audio
from utils.files import ROOT, write_json

RESULT = {"metrics": {"mcd": {"mean": 4.5, "interval": [4.2, 4.8], "std": 0.3, "n": 3, "failed": 0, "unit": "dB", "higher_is_better": False}}}


@pytest.fixture
def trained(tmp_path):
    """A function that gives the checkpoint of a run, of a model by name, with a sound and a result."""

    def make(name):
        import torch

        torch.manual_seed(0)
        card = card_of(name) | {"step": 300, "parameters": 1_000_000, "train": {"max_steps": 300}, "speakers": ["ann"]}
        checkpoint = tmp_path / name / "checkpoint/step-00000300"
        save_release(checkpoint, card, build_model(card).state_dict())
        write_json(tmp_path / name / "result/result.json", RESULT)
        Audio(np.zeros(2400, np.float32), 24000).write(tmp_path / name / "result/generated/a.wav")
        return checkpoint

    return make


def words(checkpoint, out, about):
    path = write_json(out.parent / "about.json", about)
    return ["--checkpoint", str(checkpoint), "--out", str(out), "--about", str(path), "--half"]


@pytest.mark.parametrize("name, call", [("HiFiGAN", '"recording.wav"'), ("VITS", '"Hello there."'), ("FastSpeech2", '"Hello there."')])
def test_a_release_is_whole_half_as_large_and_says_how_to_call_it(trained, tmp_path, name, call):
    checkpoint, out = trained(name), tmp_path / "pretrained"
    assert main(words(checkpoint, out, {key: f"what is said of {key}" for key in ABOUT})) == 0
    page = (out / "README.md").read_text()
    assert re.findall("^## (.*)", page, re.M) == ["Metadata", "Datasets", "Training", "Results", "Usage", "Demo", "Licence", "Ethics"]
    assert call in page and "4.5" in page and all(f"what is said of {key}" in page for key in ABOUT)
    assert (out / "samples/a.wav").is_file()
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (out, checkpoint)]
    assert sizes[0] < 0.7 * sizes[1]
    ours, theirs = (load(folder).model.state_dict() for folder in (out, checkpoint))
    assert all(np.allclose(ours[key], theirs[key], atol=1e-3, rtol=1e-3) for key in theirs)
    assert all(ours[key].dtype == theirs[key].dtype for key in theirs)


def test_a_release_does_not_say_where_its_beginnings_lay_on_this_disk(trained, tmp_path):
    checkpoint, out = trained("HiFiGAN"), tmp_path / "pretrained"
    for begun, told in ((str(tmp_path), tmp_path.name), ("someone/a-release", "someone/a-release")):
        card = json.loads((checkpoint / "card.json").read_text())
        write_json(checkpoint / "card.json", card | {"train": {"init_from": begun}})
        assert main(words(checkpoint, out, dict.fromkeys(ABOUT, "said"))) == 0
        assert json.loads((out / "card.json").read_text())["train"]["init_from"] == told
        assert str(tmp_path) not in (out / "README.md").read_text().split("## Usage")[0]


def test_a_release_names_the_networks_of_its_features_and_not_where_they_lay(trained, tmp_path):
    checkpoint, out = trained("HiFiGAN"), tmp_path / "pretrained"
    (tmp_path / "my_codec").mkdir()
    own = "pretrained/encodec_spectral"
    places = {str(tmp_path / "my_codec"): "my_codec", str(ROOT / own): own, "a/hub_id": "a/hub_id"}
    for place, name in places.items():
        card = json.loads((checkpoint / "card.json").read_text())
        card["preprocess"]["features"]["codec"] = {"model": place, "bandwidth": 6}
        write_json(checkpoint / "card.json", card)
        assert main(words(checkpoint, out, dict.fromkeys(ABOUT, "said"))) == 0
        written = json.loads((out / "card.json").read_text())["preprocess"]["features"]
        assert written["codec"] == {"model": name, "bandwidth": 6} and written["mel"] == card["preprocess"]["features"]["mel"]


MARKUP = {
    "name": "A | voice\n# of *mine* <img src=x onerror=alert(1)>",
    "description": "Small & fast: `stft: 10` stays code.\n## Licence\nPublic domain\n======\n<script>alert(1)</script>",
    "datasets": "1. VCTK, https://a.example/x_y?a=1&b=2#c, [free](javascript:alert(1)) ![seen](https://t.example/p.png)",
    "license": "```\nMIT\n--- \n- yes\n+ no\n> maybe",
    "ethics": "| a | b |\n|---|---|\n    indented $x$ ~~gone~~ \\* <b>bold</b>",
    "demo": "a <a href='https://evil.example'>here</a> __b__",
}


def test_authors_words_are_no_markup(trained, tmp_path):
    assert main(words(trained("HiFiGAN"), tmp_path / "out", MARKUP)) == 0
    page = (tmp_path / "out/README.md").read_text()
    assert re.findall("^#+ (.*)", page, re.M)[1:] == ["Metadata", "Datasets", "Training", "Results", "Usage", "Demo", "Licence", "Ethics"]
    assert page.splitlines()[0] == r"# A \| voice \# of \*mine\* &lt;img src=x onerror=alert(1)&gt;"
    assert "<" not in page and page.count("```") == 4, "the fences are ours"
    assert "`stft: 10`" in page and "https://a.example/x_y?a=1&b=2#c," in page and "Small &amp; fast" in page
    assert r"1\. VCTK" in page and r"\[free\](javascript" in page and r"\!\[seen\](" in page
    lines = page.splitlines()
    for told in (r"\`\`\`", r"\---", r"\- yes", r"\+ no", r"&gt; maybe", r"\| a \| b \|", r"\======", r"indented \$x\$ \~\~gone\~\~"):
        assert any(line.startswith(told) for line in lines), told


@pytest.mark.parametrize("about", [5, [], None, "text", dict.fromkeys(ABOUT, 5), dict.fromkeys(ABOUT, {"a": 1})])
def test_an_about_of_another_kind_is_named(trained, tmp_path, about):
    with pytest.raises(ValueError, match="about.json|still empty"):
        main(words(trained("HiFiGAN"), tmp_path / "out", about))


def test_a_release_holds_nothing_of_a_training_to_go_on(trained, tmp_path):
    checkpoint = trained("HiFiGAN")
    card = json.loads((checkpoint / "card.json").read_text())
    write_json(checkpoint / "card.json", card | {"progress": {"stale": 3}})
    assert main(words(checkpoint, tmp_path / "out", dict.fromkeys(ABOUT, "said"))) == 0
    assert "progress" not in json.loads((tmp_path / "out/card.json").read_text())


def test_what_would_stay_empty_is_listed(trained, tmp_path):
    checkpoint = trained("HiFiGAN")
    (checkpoint.parent.parent / "result/result.json").unlink()
    with pytest.raises(ValueError) as error:
        main(words(checkpoint, tmp_path / "out", {key: "said" for key in ABOUT if key not in ("license", "ethics")} | {"name": " "}))
    for part in ("name", "license", "ethics", "run the infer and evaluate stages first"):
        assert part in str(error.value)
    assert not (tmp_path / "out").exists() and json.loads((checkpoint / "card.json").read_text())


@pytest.mark.parametrize("text", ["5", "null", "[]", "{}", '{"metrics": {"mcd": 5}}', '{"metrics": {"mcd": {"mean": 1.0}}}'])
def test_what_is_no_result_is_named_before_anything_is_written(trained, tmp_path, text):
    checkpoint, out = trained("HiFiGAN"), tmp_path / "pretrained"
    (checkpoint.parent.parent / "result/result.json").write_text(text)
    with pytest.raises(ValueError, match="result.json is not what it should be"):
        main(words(checkpoint, out, dict.fromkeys(ABOUT, "said")))
    assert not out.exists()


def test_a_card_without_versions_makes_a_release(trained, tmp_path):
    checkpoint, out = trained("HiFiGAN"), tmp_path / "pretrained"
    card = json.loads((checkpoint / "card.json").read_text())
    write_json(checkpoint / "card.json", {key: value for key, value in card.items() if key != "versions"})
    assert main(words(checkpoint, out, dict.fromkeys(ABOUT, "said"))) == 0
    assert "Amphion ?, commit ?" in (out / "README.md").read_text()
