"""Configs: inheritance, overrides, and every message a user may meet, all of them at once."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from models.base.experiment import Experiment
from models.base.settings import TrainConfig
from tests.conftest import make_corpus, toy_config
from utils.config import ConfigError, build, check, load_config, merge
from utils.registry import nearest


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_base_merges_deep_and_lists_replace(tmp_path):
    write(tmp_path, "base.json", "{ a: { x: 1, y: [1, 2, 3] }, b: 1 }")
    config = load_config(write(tmp_path, "c.json", '{ base_config: "base.json", a: { y: [9] }, // why\n }'))
    assert config == {"a": {"x": 1, "y": [9]}, "b": 1}


def test_set_overrides(tmp_path):
    path = write(tmp_path, "c.json", "{ train: { steps: 1 } }")
    config = load_config(path, ["train.steps=5", "log_dir=some/where", "model.sizes=[1, 2]"])
    assert config == {"train": {"steps": 5}, "log_dir": "some/where", "model": {"sizes": [1, 2]}}
    assert "path=value" in load_config(path, ["train.steps"]).problems[0]
    assert "is a value" in load_config(path, ["train.steps.deep=1"]).problems[0]


def test_duplicates_are_named_with_their_path(tmp_path):
    config = load_config(write(tmp_path, "c.json", "{ train: { seed: 1, seed: 2 }, a: [{ b: 1, b: 1 }] }"))
    assert config.problems == ["train.seed: set twice in c.json", "a[0].b: set twice in c.json"]


@pytest.mark.parametrize(
    "text,message",
    [
        ('{ base_config: "nowhere.json" }', 'no file "nowhere.json"'),
        ('{ base_config: "c.json" }', "a loop"),
        ("{ a: }", "not JSON5"),
        ("[1]", "a config is an object"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, "c.json", text))


def test_missing_file():
    with pytest.raises(ConfigError, match="no config file nowhere.json"):
        load_config("nowhere.json")


@dataclass(frozen=True)
class Inner:
    lr: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass(frozen=True)
class Stack:
    layers: int = 1
    width: int = 2


class Outer:
    def __init__(
        self, *, n_mel: int, width: int = 2, kernels: list[list[int]] = (), inner: Inner | None = None, name: str = ""
    ) -> None:
        self.n_mel, self.width, self.inner = n_mel, width, inner


def test_every_kind_of_problem_in_one_go():
    section = {
        "widht": 1,
        "width": "2",
        "kernels": [[1, "q"]],
        "n_mel": 80,
        "inner": {"betas": [0.9], "rl": 1},
        "name": "[fill in]",
    }
    problems = "\n".join(check(Outer, section, "model", ("n_mel",)))
    for part in (
        "model.widht: unknown setting 'widht', did you mean 'width'?",
        "model.width: Input should be a valid integer",
        "model.kernels[0][1]: Input should be a valid integer",
        "model.n_mel: is worked out from the data, remove it",
        "model.inner.betas",
        "model.inner.rl: unknown setting 'rl', did you mean 'lr'?",
        "model.name: is for you to fill in",
    ):
        assert part in problems
    assert check(Outer, {}, "model") == ["model.n_mel: is missing and has no default"]
    assert "a section" in check(Outer, 3, "model")[0]


def test_build_fills_in_facts_and_nested_sections():
    made = build(Outer, {"width": 3, "inner": {"lr": 2}}, {"n_mel": 80, "unasked": 1})
    assert (made.n_mel, made.width, made.inner.lr, made.inner.betas) == (80, 3, 2.0, (0.9, 0.99))
    with pytest.raises(ConfigError):
        build(Outer, {"width": 3.5}, {"n_mel": 80})


class Grouped:
    former = {"layers": "stack.layers", "stack_width": "stack.width", "steps": "steps_taken"}

    def __init__(self, *, stack: Stack = Stack(), steps_taken: int = 1) -> None:
        self.stack = stack
        self.steps_taken = steps_taken


@pytest.mark.parametrize(
    "section",
    [
        {"stack": {"layers": 3, "width": 5}, "steps_taken": 2},
        {"layers": 3, "stack_width": 5, "steps": 2},
        {"layers": 3, "stack": {"width": 5}, "steps_taken": 2},
        {"stack": {"layers": 9, "width": 5}, "layers": 3, "steps": 2},  # what was said last counts, as in --set
    ],
)
def test_settings_are_found_under_the_names_that_they_had_before_there_were_groups(section):
    assert check(Grouped, section, "model") == []
    built = build(Grouped, section)
    assert (built.stack.layers, built.stack.width, built.steps_taken) == (3, 5, 2)


def test_a_wrong_value_under_a_former_name_is_named_where_it_belongs():
    assert check(Grouped, {"layers": "many"}, "model")[0].startswith("model.stack.layers: ")
    assert "unknown setting 'layer'" in check(Grouped, {"layer": 3}, "model")[0]
    assert check(Grouped, {"stack": 3, "layers": 2}, "model")


def test_an_experiment_reports_all_sections_together(tmp_path):
    folder = make_corpus(tmp_path, [0.5] * 4)
    config = toy_config(
        folder,
        dataset=["custum"],
        trian={},
        preprocess={"sample_rate": "16000", "features": {"mell": {}, "mel": {"n_ftt": 2}}},
        model={"hiden": 1, "n_mel": 3},
        train={"max_step": 1, "schedule": {"name": "nomm"}, "optimizer": {"lr": "fast"}},
    )
    text = config.read_text().replace('"batch_size": 4', '"batch_size": 4, "batch_size": 5')
    config.write_text(text)
    with pytest.raises(ConfigError) as error:
        Experiment.read(config)
    message = str(error.value)
    for part in (
        "train.batch_size: set twice",
        "trian: unknown setting 'trian', did you mean 'train'?",
        "unknown dataset 'custum', did you mean 'custom'?",
        "preprocess.sample_rate",
        "preprocess.features.mell: unknown feature 'mell', did you mean 'mel'?",
        "preprocess.features.mel.n_ftt: unknown setting 'n_ftt', did you mean 'n_fft'?",
        "model.hiden: unknown setting 'hiden', did you mean 'hidden'?",
        "model.n_mel: is worked out from the data",
        "train.max_step: unknown setting",
        "train.schedule.name",
        "train.optimizer.lr",
    ):
        assert part in message, part


def test_unknown_model_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'FastSpeech2'"):
        Experiment.read(toy_config(make_corpus(tmp_path, [0.5] * 4), model_type="FastSpeech"))


def test_a_feature_that_needs_another_and_a_model_that_reads_one(tmp_path):
    config = toy_config(make_corpus(tmp_path, [0.5] * 4), preprocess={"features": {"duration": {}}})
    with pytest.raises(ConfigError, match="is worked out from 'phone'"):
        Experiment.read(config)


def test_merge_leaves_its_arguments_alone():
    base = {"a": {"b": 1}}
    assert merge(base, {"a": {"b": None}}) == {"a": {}}, "null takes away"
    assert merge(base, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}} and base == {"a": {"b": 1}}


def test_null_takes_away_in_set_too(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"preprocess": {"features": {"mfcc": {}, "f0": {}}}}')
    config = load_config(path, ["preprocess.features.mfcc=null", "train.seed=null"])
    assert config == {"preprocess": {"features": {"f0": {}}}, "train": {"seed": None}}


@pytest.mark.parametrize(
    "setting", ["max_steps=0", "batch_size=0", "batch_seconds=0", "accumulate=0", "log_every=0", "workers=-1", "ema_decay=1",
                "optimizer.lr=-1", "schedule.warmup=-5", "init_share=2", "patience=0"],
)  # fmt: skip
def test_numbers_that_train_nothing_are_refused_by_name(tmp_path, setting):
    path = toy_config(tmp_path)
    name, _, value = setting.partition("=")
    with pytest.raises(ConfigError, match=rf"train\.{name}: .*(greater|less) than .*got {value}"):
        Experiment.read(path, [f"train.{setting}"])


def test_what_set_says_is_no_fault_of_the_file(tmp_path):
    path = toy_config(tmp_path)
    with pytest.raises(ConfigError) as raised:
        Experiment.read(path, ["train.seed=word"])
    assert path.name not in str(raised.value) and "in what --set says" in str(raised.value)
    broken = toy_config(tmp_path, train={"log_every": "often"})
    with pytest.raises(ConfigError) as raised:
        Experiment.read(broken, ["train.seed=word"])
    lines = str(raised.value).splitlines()
    assert broken.name in lines[0]
    by_hand = {line.split(":")[0].strip(): line.endswith("(by --set)") for line in lines[1:]}
    assert by_hand == {"train.log_every": False, "train.seed": True}


def test_null_leaves_a_setting_at_its_default(tmp_path):
    path = toy_config(tmp_path, train={"keep_last": None})
    experiment = Experiment.read(path, ["train.init_share=null", "train.optimizer.eps=null", "train.ema_decay=null"])
    settings = build(TrainConfig, experiment.sections.train)
    assert (settings.keep_last, settings.init_share, settings.optimizer.eps, settings.ema_decay) == (2, 0.5, 1e-8, None)
    with pytest.raises(ConfigError, match="hop_size: is missing"):
        Experiment.read(path, ["preprocess.hop_size=null"])


def test_a_name_in_other_letters_is_meant_before_a_nearer_one():
    assert "did you mean 'VITS'" in nearest("Vits", ["VITS", "VitsSVC", "Jets"], "model")


def test_a_folder_of_ones_own_needs_one_setting(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"dataset": ["ljspeech"], "dataset_path": {"ljspeech": "x"}}')

    def datasets(*sets):
        return load_config(path, list(sets))["dataset"]

    assert datasets() == datasets("dataset_path.ljspeech=y") == ["ljspeech"]
    assert datasets("dataset_path.custom=mine") == datasets("dataset=custom") == ["custom"]
    assert datasets("dataset_path.ljspeech=x", "dataset_path.custom=mine") == ["ljspeech", "custom"]
    assert datasets("dataset_path.custom=mine", 'dataset=["ljspeech"]') == ["ljspeech"]
