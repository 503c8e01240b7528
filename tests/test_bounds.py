"""Settings that are not what they should be: a few wrong bytes cost neither minutes nor gigabytes, and the error names them."""

import json
import time
import tracemalloc
from inspect import signature

import pytest
import torch
import yaml

from models import MODELS, load
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from models.upstream import read_foreign
from tests.conftest import make_corpus, toy_config
from tests.test_models import card_of
from tests.test_upstream import JIK876, amphion_folder
from utils.config import ConfigError, load_config
from utils.documents import parse_yaml, read_json5
from utils.registry import load_object

DEEP = 100_000
HUGE = [10**4, 10**6, 10**9, 10**18, 10**300, -1, 0]
STRANGE = [5, None, [], {}, "x", True, [[1]], -1.5, {"a": {"b": 1}}]


def refused(action, match=None, seconds=20.0):
    """What `action` says, as a ValueError, within the time and half a gigabyte."""
    tracemalloc.start()
    begun = time.monotonic()
    with pytest.raises(ValueError, match=match) as error:
        action()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - begun < seconds and peak < 2**29
    return str(error.value)


@pytest.mark.parametrize("text", ["[" * DEEP, '{"a":' * DEEP, "[" * 60 + "]" * 60, "[" * 900 + "]" * 900, '{"a":' * 60 + "1" + "}" * 60])
def test_a_config_that_is_nested_without_end(tmp_path, text):
    path = tmp_path / "exp_config.json"
    path.write_text(text)
    assert "exp_config.json" in refused(lambda: load_config(path), "nested deeper than 50|not JSON5")
    path.write_text("{model: {}}")
    assert load_config(path, [f"model.a={text}"])["model"]["a"] == text  # a bare word, which the check of its section refuses


@pytest.mark.parametrize("base", [5, [], {}, True, ["a.json"]])
def test_a_base_that_is_no_path(tmp_path, base):
    (tmp_path / "a.json").write_text(json.dumps({"base_config": base}))
    with pytest.raises(ConfigError, match="base_config: the path of another config is expected, got"):
        load_config(tmp_path / "a.json")


def test_a_config_that_is_its_own_base(tmp_path):
    (tmp_path / "args.json").write_text('{base_config: "b.json"}')
    (tmp_path / "b.json").write_text('{base_config: "args.json"}')
    with pytest.raises(ConfigError, match="a loop, args.json -> b.json -> args.json"):
        load_config(tmp_path / "args.json")
    refused(lambda: read_foreign(tmp_path), "base_config leads back to b.json")


SECTIONS = "dataset dataset_path preprocess model train inference model_type log_dir discriminator"


@pytest.mark.parametrize("section", SECTIONS.split())
def test_sections_of_another_kind_are_problems_of_the_config(tmp_path, section):
    from models.base.experiment import Experiment

    config = json.loads(toy_config(make_corpus(tmp_path, [1.0] * 4)).read_text())
    for value in STRANGE:
        (tmp_path / "strange.json").write_text(json.dumps(config | {section: value}))
        try:
            Experiment.read(tmp_path / "strange.json")
        except ConfigError as error:
            assert section in str(error)
    config["preprocess"] = dict.fromkeys(config["preprocess"], 5)
    (tmp_path / "strange.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="features"):
        Experiment.read(tmp_path / "strange.json")


def bomb(levels, width=10):
    """YAML whose values multiply by `width` with every line."""
    lines = ["a0: &a0 [" + "x, " * width + "]"]
    lines += [f"a{i}: &a{i} [" + f"*a{i - 1}, " * width + "]" for i in range(1, levels)]
    return "\n".join(lines)


def merges(levels, width=10):
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [" + f"*a{i - 1}, " * width + "]}" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [bomb(9), bomb(40), merges(9), "a: &a [*a]", "a: &a {b: *a}"], ids=["list", "long", "merge", "ring", "rings"])
def test_yaml_that_multiplies_is_refused(text):
    assert len(text) < 3000
    refused(lambda: parse_yaml(text, "config.yml"), r"config.yml holds more than 100000 values once its references", seconds=10)


NO_YAML = [
    *("[" * DEEP, "{a: " * DEEP, "- " * 3000, "a: 2001-99-99", "a: " + "9" * 9000),
    *("? [a]\n: {}\n? {a: b}\n: c", "a: *b", "\x00", "!!python/x {}"),
]


@pytest.mark.parametrize("text", NO_YAML, ids=lambda text: text[:12])
def test_yaml_that_is_none_is_named(text):
    refused(lambda: parse_yaml(text, "config.yml"), "config.yml (is not YAML|is nested)", seconds=30)


def test_yaml_with_references_as_programs_write_them():
    shared = [1, 2]
    assert parse_yaml(yaml.safe_dump({"a": shared, "b": shared, "c": {"d": shared}}), "") == {"a": shared, "b": shared, "c": {"d": shared}}
    assert parse_yaml("base: &b {x: 1}\nmine: {<<: *b, y: 2}", "")["mine"] == {"x": 1, "y": 2}


def test_time_for_settings_grows_as_their_length(tmp_path):
    took = []
    for count in (250, 500, 1000):
        path = tmp_path / f"{count}.json"
        path.write_text("{" + ", ".join(f"key{i}: [1, 2.5, 'abc']" for i in range(count)) + "}")
        begun = time.process_time()
        assert len(read_json5(path)) == count
        took.append(time.process_time() - begun)
    assert took[2] < 8 * took[0]
    path.write_text("{a: '" + "x" * 2**18 + "'}")
    refused(lambda: read_json5(path), "too long for JSON5")
    path.write_text('{"a": "' + "x" * 2**23 + '"}')
    refused(lambda: read_json5(path), "4194304 at most are read as settings")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    card = card_of("HiFiGAN")
    torch.manual_seed(0)
    save_release(folder, card, build_model(card).state_dict())
    return folder, json.loads((folder / "card.json").read_text())


def paths_of(value, at=()):
    """The path to every number of a card's settings."""
    if isinstance(value, dict):
        return [path for key, inner in value.items() for path in paths_of(inner, (*at, key))]
    if isinstance(value, list):
        return [path for i, inner in enumerate(value) for path in paths_of(inner, (*at, i))]
    return [at] if isinstance(value, int | float) and not isinstance(value, bool) else []


def changed(value, path, new):
    """`value` with another value at `path`."""
    if not path:
        return new
    out = dict(value) if isinstance(value, dict) else list(value)
    out[path[0]] = changed(out[path[0]], path[1:], new)
    return out


def loads_or_says(folder, name):
    """Loads, or refuses by the name of the file, in time."""
    begun = time.monotonic()
    try:
        load(folder, device="cpu")
    except ValueError as error:
        assert name in str(error) or str(folder) in str(error), error
    assert time.monotonic() - begun < 20


def test_a_card_with_absurd_numbers_is_refused_in_time(release):
    folder, card = release
    part = {name: card[name] for name in ("model", "preprocess", "facts")}
    for path in paths_of(part):
        for new in HUGE[1:4]:
            (folder / "card.json").write_text(json.dumps(card | changed(part, path, new)))
            loads_or_says(folder, "card.json")
    (folder / "card.json").write_text(json.dumps(card | {"model": card["model"] | {"resblock_kernel_sizes": [3] * 3000}}))
    loads_or_says(folder, "card.json")
    (folder / "card.json").write_text(json.dumps(card))
    load(folder, device="cpu")


@pytest.mark.parametrize("name,change", [
    ("HiFiGAN", {"upsample_initial_channel": 2**20}),
    ("HiFiGAN", {"resblock_kernel_sizes": [3] * 20_000, "resblock_dilation_sizes": [[1, 3, 5]] * 20_000}),
    ("FastSpeech2", {"encoder_layers": 2**20}),
    ("WaveNet", {"layers": 2**20}),
])  # fmt: skip
def test_settings_of_a_far_larger_model_than_the_weights_are_named(tmp_path, name, change):
    card = card_of(name)
    torch.manual_seed(0)
    save_release(tmp_path, card, build_model(card).state_dict())
    cls = load_object(MODELS[name].model)
    assert change.keys() <= signature(cls).parameters.keys() | cls.former.keys()
    (tmp_path / "card.json").write_text(json.dumps(card | {"model": card["model"] | change}))
    told = refused(lambda: load(tmp_path, device="cpu"), "far larger model than the weights are of|make no|entries", seconds=30)
    assert next(iter(change)) in told or "entries" in told


def test_a_card_with_strange_values_is_refused_by_name(release):
    folder, card = release
    for name in [*card, "preprocess.features", "preprocess.features.mel", "preprocess.sample_rate", "facts.n_mel"]:
        for value in STRANGE:
            (folder / "card.json").write_text(json.dumps(changed(card, name.split("."), value)))
            loads_or_says(folder, "card.json")
    for text in ("5", "[]", "null", "{}", '"x"', "[" * DEEP, '{"a":' * DEEP, "\x00", '{"model_type"'):
        (folder / "card.json").write_text(text)
        refused(lambda: load(folder), "card.json")
    (folder / "card.json").write_bytes(b"\xff\xfe\x00")
    refused(lambda: load(folder), "card.json")
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize("number", HUGE, ids=lambda number: f"{number:.0e}")
def test_a_foreign_config_with_absurd_numbers_is_refused_in_time(tmp_path, number):
    torch.save({"generator": {"a": torch.ones(1)}}, tmp_path / "generator")
    for path in paths_of(JIK876):
        (tmp_path / "config.json").write_text(json.dumps(changed(JIK876, path, number)))
        loads_or_says(tmp_path, "config.json")
    (tmp_path / "config.json").write_text(json.dumps(JIK876 | {"upsample_rates": [2] * 5000, "upsample_kernel_sizes": [4] * 5000}))
    loads_or_says(tmp_path, "config.json")


KEYS = [
    *("upsample_rates", "ASP_channel", "generator_type", "n_mel_channels", "ngf", "n_residual_layers"),
    *("model", "audio", "model_type", "preprocess", "backbone", "data"),
]
BESIDE = ["args.json", "config.json", "config.yaml", "config.yml", "preprocess.yaml", "args.yml", "a.yaml", "a.json"]


@pytest.mark.parametrize("name", BESIDE)
def test_a_foreign_config_that_is_anything_is_refused_by_name(tmp_path, name):
    (tmp_path / "model.yaml").write_text("{}")
    texts = ["5", "[]", "null", "{}", "x", "[" * DEEP, '{"a":' * DEEP, bomb(9)]
    texts += [json.dumps(dict.fromkeys(KEYS, value)) for value in STRANGE]
    for text in texts:
        (tmp_path / name).write_text(text)
        assert str(tmp_path) in refused(lambda: read_foreign(tmp_path / name), seconds=60)
    (tmp_path / name).write_bytes(b"{\xff\xfe}")
    assert str(tmp_path) in refused(lambda: read_foreign(tmp_path / name))


def test_foreign_settings_of_another_kind_are_named(tmp_path):
    folder = amphion_folder(tmp_path, {"a": torch.ones(1)})
    whole = read_json5(folder / "args.json")
    whole.pop("base_config")
    for path in [*paths_of(whole), ("preprocess",), ("model",), ("model", "hifigan"), ("model", "generator"), ("model_type",)]:
        for value in STRANGE:
            (folder / "args.json").write_text(json.dumps(changed(whole, path, value)))
            loads_or_says(folder, "args.json")
