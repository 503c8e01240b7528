"""Where weights come from and under which licences: the ledger of a card, what a release may allow, and its way to a hub and back."""

import json
import re
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch

from bins.release import ABOUT, main, push
from models import load
from models.base.experiment import Experiment
from models.base.ledger import corpora_of, ledger, of_weights, restrictions
from models.base.trainer import Trainer
from preprocessors.base import Utterance, corpus
from processors.manifest import Manifest
from tests.conftest import extracted, make_corpus, toy_config
from tests.test_models import card_of
from tests.test_pretrained_networks import hub_snapshot
from tests.test_release import trained, words  # noqa: F401 (a fixture)
from utils.config import ConfigError
from utils.files import ROOT, write_json
from utils.licences import UNTOLD, hub_name, is_told, restricted, shared_alike
from utils.pretrained import Source

SUNG = {"kind": "corpus", "name": "m4singer", "licence": "CC BY-NC-SA 4.0", "utterances": 3, "hours": 0.5, "speakers": 2, "languages": ["zh"]}
READ = {"kind": "corpus", "name": "ljspeech", "licence": "public domain", "utterances": 9, "hours": 2.0, "speakers": 1, "languages": ["en-us"]}
HEADINGS = ["Metadata", "Datasets", "Training", "Results", "Usage", "Demo", "Licence", "Ethics"]


def with_ledger(checkpoint, *sources):
    card = json.loads((checkpoint / "card.json").read_text())
    write_json(checkpoint / "card.json", card | {"ledger": list(sources)})
    return checkpoint


@pytest.mark.parametrize(
    "licence, money_forbidden, alike, told, name",
    [
        ("CC BY-NC-SA 4.0", True, True, True, "cc-by-nc-sa-4.0"),
        ("research only", True, False, True, "other"),
        ("For research purposes only", True, False, True, "other"),
        ("CC BY 4.0, sounds each its own, some CC BY-NC", True, False, True, "cc-by-nc-4.0"),
        ("CC BY-SA 4.0", False, True, True, "cc-by-sa-4.0"),
        ("CC0 1.0, as the recordings.", False, False, True, "cc0-1.0"),
        ("MIT", False, False, True, "mit"),
        ("captions MIT, sounds not told", False, False, False, "mit"),
        (UNTOLD, False, False, False, "other"),
    ],
)
def test_what_a_licence_says(licence, money_forbidden, alike, told, name):
    assert (restricted(licence), shared_alike(licence), is_told(licence), hub_name(licence)) == (money_forbidden, alike, told, name)


def test_which_corpora_forbid_use_for_money():
    assert restricted(corpus("m4singer").LICENCE) and not restricted(corpus("libritts").LICENCE)


def test_a_sound_with_five_captions_lasts_once_and_changed_copies_not_at_all():
    captions = [Utterance(id=f"rain_{n}", dataset="clotho", recording="rain", speaker="a", seconds=36.0) for n in range(5)]
    others = [Utterance(id="dog", dataset="clotho", speaker="b", seconds=36.0), Utterance(id="dog", dataset="clotho.pitch", seconds=36.0)]
    own = Utterance(id="cat", dataset="custom", seconds=3600.0, language="de")
    clotho, custom = corpora_of(Manifest.of([*captions, *others, own]), {"custom": "CC0 1.0"})
    assert (clotho["utterances"], clotho["hours"], clotho["speakers"]) == (6, 0.02, 2) and restricted(clotho["licence"])
    assert (custom["licence"], custom["languages"], custom["hours"]) == ("CC0 1.0", ["de"], 1.0)


def test_a_training_notes_its_corpora_and_what_it_began_with(tmp_path):
    folder = extracted(make_corpus(tmp_path, [1.0] * 10))
    first = {"model_type": "ToyStages", "model": {"hidden": 8}, "dataset_licence": {"custom": "CC BY-NC 4.0"}}
    Trainer(Experiment.read(toy_config(folder, **first)), "first").fit()
    begun = toy_config(folder, model_type="ToyStages", model={"hidden": 8}, train={"init_from": str(folder / "ckpts/first")})
    card = Experiment.read(begun).card
    assert [(source["name"], source["licence"], source.get("through")) for source in card["ledger"]] == [
        ("custom", UNTOLD, None),
        ("first", UNTOLD, None),
        ("custom", "CC BY-NC 4.0", "first"),
    ]
    assert restrictions(card["ledger"]) == ["custom (CC BY-NC 4.0, by way of first)"]
    part = {"encoder": {"path": str(folder / "ckpts/first"), "part": "encoder"}}
    parts = toy_config(folder, model_type="ToyStages", model={"hidden": 8}, train={"init_from": part})
    assert Experiment.read(parts).card["ledger"] == card["ledger"]
    assert card["ledger"][0]["utterances"] > 0
    with pytest.raises(ConfigError, match="dataset_licence.ljspeech: unknown dataset of this config"):
        Experiment.read(toy_config(folder, dataset_licence={"ljspeech": "MIT"}))


def test_two_runs_of_one_name_and_a_network_that_is_gone(tmp_path, monkeypatch):
    """Each run tells its own, and where a feature's network lies nowhere, what happens to lie in the current folder is not taken for it."""
    for number, licence in ((1, "CC BY-NC 4.0"), (2, "research only")):
        write_json(tmp_path / f"{number}/ex/card.json", {**card_of("HiFiGAN"), "ledger": [{**READ, "licence": licence}]})
    write_json(tmp_path / "card.json", {**card_of("HiFiGAN"), "ledger": [SUNG]})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("utils.pretrained.locate", lambda source, given="": "")
    features = SimpleNamespace(features={"codec": SimpleNamespace(source=Source("codec", "a codec"), model="")})
    begun = {"init_from": {"a": str(tmp_path / "1/ex"), "b": {"path": str(tmp_path / "2/ex")}}}
    made = SimpleNamespace(frozen={}, features=features, sections=SimpleNamespace(train=begun, dataset_licence={}))
    made.utterances = lambda split: Manifest.of([])
    told = ledger(made)
    assert [source["name"] for source in told] == ["codec", "ex", "ljspeech", "ljspeech"]
    assert restrictions(told) == ["ljspeech (CC BY-NC 4.0, by way of ex)", "ljspeech (research only, by way of ex)"]


def test_weights_pass_on_what_they_were_made_with():
    inner = of_weights("codec", {"about": {"license": "CC BY 4.0"}, "ledger": [SUNG, {**READ, "through": "older"}]})
    assert [(source["name"], source.get("through")) for source in inner] == [("codec", None), ("m4singer", "codec"), ("ljspeech", "older")]
    assert of_weights("theirs", {}) == [{"kind": "weights", "name": "theirs", "licence": UNTOLD}]


def test_a_release_may_not_allow_what_a_corpus_forbids(trained, tmp_path):  # noqa: F811
    checkpoint, out = with_ledger(trained("HiFiGAN"), READ, {**SUNG, "through": "hifigan_singing"}), tmp_path / "out"
    about = dict.fromkeys(ABOUT, "said")
    with pytest.raises(ValueError, match=r"'MIT' allows any use.*m4singer \(CC BY-NC-SA 4.0, by way of hifigan_singing\)"):
        main(words(checkpoint, out, about | {"license": "MIT"}))
    assert not out.exists()
    assert main(words(checkpoint, out, about | {"license": "CC BY-NC-SA 4.0"})) == 0
    assert "no use for money, because of m4singer" in repr(load(out))
    page = (out / "README.md").read_text()
    assert "No use for money, because of m4singer" in page and "comes under the same licence" in page


def test_a_release_tells_its_corpora_and_samples_by_itself(trained, tmp_path):  # noqa: F811
    checkpoint, out = with_ledger(trained("HiFiGAN"), READ), tmp_path / "out"
    about = {key: "said" for key in ABOUT if key not in ("datasets", "demo")}
    assert main(words(checkpoint, out, about)) == 0
    page = (out / "README.md").read_text()
    assert r"| ljspeech | corpus | 2\.00 h, 9 utterances, 1 speakers | public domain |" in page
    assert "- [a](samples/a.wav)" in page and re.findall("^## (.*)", page, re.M) == HEADINGS


@pytest.mark.parametrize("path", sorted(ROOT.glob("pretrained/*/card.json")), ids=lambda path: path.parent.name)
def test_what_comes_along_has_a_whole_page(path):
    page = (path.parent / "README.md").read_text()
    sections = re.split("^## .*", page, flags=re.M)[1:]
    assert re.findall("^## (.*)", page, re.M) == HEADINGS and all(section.strip() for section in sections)


def test_to_a_hub_and_back(trained, tmp_path, monkeypatch):  # noqa: F811
    out = tmp_path / "voice"
    assert main(words(with_ledger(trained("VITS"), READ), out, dict.fromkeys(ABOUT, "said") | {"license": "CC BY 4.0"})) == 0
    taken = {}

    class Hub:
        def create_repo(self, hub, exist_ok):
            return f"https://hub.example/{hub}"

        def upload_folder(self, repo_id, folder_path, ignore_patterns):
            taken.update({p.name: p.read_bytes() for p in folder_path.iterdir() if p.is_file() and p.name not in ignore_patterns})

        def upload_file(self, repo_id, path_or_fileobj, path_in_repo):
            taken[path_in_repo] = path_or_fileobj

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert push(out, "someone/voice") == "https://hub.example/someone/voice"
    head = taken["README.md"].decode().split("---")[1]
    assert "license: cc-by-4.0" in head and "pipeline_tag: text-to-speech" in head and "- en" in head
    with pytest.raises(ValueError, match="owner/name"):
        push(out, "no id")

    snapshot = hub_snapshot(tmp_path, "someone/voice", taken)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda hub, **_: str(snapshot))
    fetched, ours = load("someone/voice").model.state_dict(), load(out).model.state_dict()
    assert all(torch.equal(fetched[name], ours[name]) for name in ours)
