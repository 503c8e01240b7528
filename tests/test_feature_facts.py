"""What a config's features give and are made from is asked of them, and which are read may be chosen in the model's settings."""

import json

import numpy as np
import pytest

from bins.extract import extract
from bins.preprocess import main as preprocess
from models import MODELS, SUPERVISED, VOCODER, Spec
from models.base.card import build_model
from models.base.experiment import Experiment, fact_names
from models.base.model import Model
from models.base.settings import TrainConfig
from processors.feature import Feature
from processors.features import FEATURES, FeatureSet, feature_class
from tests import toy_features  # noqa: F401 (registers the toy features)
from tests.conftest import RATE, clip, make_corpus, toy_config
from utils.audio import Audio
from utils.config import ConfigError


class Caption(Feature):
    """How long the caption is."""

    axis = "utterance"
    of = "text"
    gives = ("n_letters",)

    def __call__(self, utterance, audio):
        return np.array([len(utterance.text)], dtype=np.float32)


class Letters(Feature):
    """Made from the caption's feature."""

    axis = "utterance"
    needs = ("caption",)

    def __call__(self, utterance, audio, caption):
        return caption


class Wide(Letters):
    """Says how wide its rows are."""

    channels = 7


class Wider(Letters):
    """Wider than that."""

    channels = 9


class Builder(Model):
    """Is built around its features, however many they are."""

    reads = ("mel",)

    def __init__(self, *, n_mel: int, channels: dict[str, int]) -> None:
        super().__init__()
        self.channels = channels


class Chooser(Model):
    """Reads what its settings name."""

    @classmethod
    def features_of(cls, settings):
        if settings["contents"] == ["nothing"]:
            raise ValueError("contents: a model that is told nothing cannot convert")
        return ("mel", *settings["contents"])

    def __init__(self, *, n_mel: int, contents: list[str], content_channels: int = 0) -> None:
        super().__init__()


class CaptionReader(Model):
    """Its only feature is made from a text by way of another."""

    reads = ("letters",)

    def __init__(self) -> None:
        super().__init__()


@pytest.fixture(autouse=True)
def tables(monkeypatch):
    for name, cls in {"caption": "Caption", "letters": "Letters", "wide": "Wide", "wider": "Wider"}.items():
        monkeypatch.setitem(FEATURES, name, f"{__name__}:{cls}")
    for name in ("Chooser", "CaptionReader", "Builder"):
        monkeypatch.setitem(MODELS, name, Spec(VOCODER, f"{__name__}:{name}", SUPERVISED))


def test_a_feature_names_the_facts_that_it_gives():
    of_networks = ("codec", "latent")  # whose facts are those of their network: test_codec_feature.py, test_latents.py
    settings = {name: {} for name in FEATURES if name not in of_networks}
    features = FeatureSet(settings, sample_rate=RATE, hop_size=256)
    for name, feature in features.features.items():
        assert set(feature.facts) <= set(feature_class(name).gives), name
    assert {"n_mel", "n_vocab", "content_channels", "n_letters"} <= set(fact_names())


@pytest.mark.parametrize("wide", [[], ["wide"], ["wider", "wide"]])
def test_the_channels_of_all_features_are_one_fact(tmp_path, wide):
    folder = make_corpus(tmp_path, [1.0] * 4)
    features = {name: {} for name in ["caption", *wide]}
    config = toy_config(folder, model_type="Builder", preprocess={"features": features})
    experiment = Experiment.read(config)
    extract(experiment, jobs=1)
    card = experiment.card
    widths = {"wide": 7, "wider": 9}
    expected = {name: widths[name] for name in wide}
    told = {"channels"} & card["facts"].keys()
    assert bool(told) == bool(wide), "cards without any stay as they were"
    assert build_model(card).channels == expected


def chooser(folder, contents, features):
    return toy_config(folder, model_type="Chooser", model={"contents": contents}, preprocess={"features": features})


@pytest.mark.parametrize("contents", [[], ["content"], ["half", "content"]])
def test_what_is_read_is_chosen_in_the_settings(tmp_path, contents):
    folder = make_corpus(tmp_path, [1.0] * 4)
    experiment = Experiment.read(chooser(folder, contents, {name: {} for name in contents}))
    data = experiment.data(experiment.manifests["train"], voices=[], config=TrainConfig())
    assert data[0, 0].keys() == {"mel", *contents, "id", "speaker"}


@pytest.mark.parametrize(
    ("contents", "features", "message"),
    [
        (["half", "content"], {"content": {}}, "preprocess.features.half: is missing: Chooser is trained on mel, half, content"),
        (["contnet"], {}, "Chooser is trained on mel, contnet; .*did you mean 'content'"),
        (["nothing"], {}, "model: contents: a model that is told nothing"),
    ],
)
def test_what_is_chosen_and_not_there_is_named(tmp_path, contents, features, message):
    with pytest.raises(ConfigError, match=message):
        Experiment.read(chooser(tmp_path, contents, features))


def test_a_fact_that_a_feature_gives_is_no_setting(tmp_path):
    path = toy_config(tmp_path, model_type="Chooser", model={"contents": [], "content_channels": 3})
    with pytest.raises(ConfigError, match="model.content_channels: is worked out from the data"):
        Experiment.read(path)


def test_a_fact_that_two_features_give_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Caption, "gives", ("n_mel",))
    with pytest.raises(ConfigError, match="preprocess.features.caption: gives 'n_mel', as 'mel' does"):
        Experiment.read(toy_config(tmp_path, preprocess={"features": {"caption": {}}}))


@pytest.mark.parametrize(("model_type", "asked"), [("CaptionReader", True), ("Toy", False)])
def test_a_text_is_asked_for_where_a_feature_is_made_from_it(tmp_path, model_type, asked):
    corpus = tmp_path / "corpus"
    for name in ("a", "b"):
        Audio(clip(1.0, 150, 0), RATE).write(corpus / f"wavs/{name}.wav")
    (corpus / "wavs/a.txt").write_text("rain on a roof")
    features = {"caption": {}, "letters": {}}
    paths = {"dataset_path": {"custom": str(corpus)}, "preprocess": {"features": features}}
    config = toy_config(tmp_path, model_type=model_type, **paths)
    assert Experiment.read(config).reads_text == asked
    assert preprocess(["--config", str(config), "--jobs", "1"]) == 0
    report = json.loads((tmp_path / "data/custom/report.json").read_text())
    assert [name for name, _ in report["skipped"]] == (["b"] if asked else [])
