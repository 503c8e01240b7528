"""Other people's networks: each step of the order in which they are looked for, and what is said of one that is absent or damaged."""

import hashlib
import json
import shutil
import time

import numpy as np
import pytest
import torch

from tests.test_metrics_models import graph
from utils import pretrained
from utils.digest import digest_of_file
from utils.hub import fetch
from utils.onnx_network import Onnx, _providers
from utils.pretrained import Source, absent, digest, find, locate

TOY = Source("toy", "the toy's .pt", form="FILE.pt", origin="https://example.org/toys", hub="toys/small")
FEATURE = Source("toy", "a folder of the toy", hub="toys/small", setting="preprocess.features.toy.path")


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No models folder, an empty cache of the hub, and a hub that refuses."""
    import huggingface_hub.constants

    monkeypatch.delenv(pretrained.FOLDER, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    pretrained.forget()


@pytest.fixture
def models(monkeypatch, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv(pretrained.FOLDER, str(folder))
    return folder


class Toy(torch.nn.Module):
    """A network whose size is read from its weights."""

    def __init__(self, size):
        super().__init__()
        self.layer = torch.nn.Linear(size, 2)

    @classmethod
    def of(cls, weights):
        state = weights["model"]
        return cls(state["layer.weight"].shape[1]), state


def toy_file(path, size=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": Toy(size).state_dict() | {"window": torch.zeros(4)}}, path)
    return path


def hub_snapshot(tmp_path, repository, files):
    """What a download leaves in the hub's cache."""
    home = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs/main").write_text("0123abcd")
    snapshot = home / "snapshots/0123abcd"
    snapshot.mkdir(parents=True)
    for name, content in files.items():
        (snapshot / name).write_bytes(content)
    return snapshot


def hubert(folder, **more):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "conv_dim": [8] * 7}
    config = transformers.HubertConfig(**sizes, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, **more)
    torch.manual_seed(0)
    model = transformers.HubertModel(config)
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(folder)
    return model.eval()


# Where it is


def test_a_path_comes_before_the_models_folder_and_this_before_the_hub(tmp_path, models):
    snapshot = hub_snapshot(tmp_path, TOY.hub, {"config.json": b"{}"})
    assert find(TOY) == str(snapshot)
    in_folder = toy_file(models / "toy.pt")
    assert find(TOY) == str(in_folder)
    (models / "toy").mkdir()
    assert find(TOY) == str(models / "toy")  # the plain name before one with a suffix
    given = toy_file(tmp_path / "mine.pt")
    assert find(TOY, str(given)) == str(given)


def test_a_home_is_written_as_people_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    file = toy_file(tmp_path / "mine.pt")
    assert find(TOY, "~/mine.pt") == str(file)


def test_a_hub_id_that_was_not_fetched_is_no_network_but_one_that_is_named_is():
    assert locate(TOY) == "" and find(TOY, "toys/small") == "toys/small"


def test_what_is_absent_says_which_file_from_where_and_where_to_put_it():
    with pytest.raises(ValueError, match="toy has no model here: give --toy FILE.pt") as caught:
        find(TOY)
    told = str(caught.value)
    assert "--toy toys/small to have it fetched" in told and "AMPHION_MODELS to a folder that holds toy.pt" in told
    assert "the toy's .pt of https://example.org/toys" in told


def test_where_to_put_it_is_the_models_folder_that_is_there(models, monkeypatch):
    assert f"put it into {models} as toy.pt" in absent(TOY)
    monkeypatch.setenv(pretrained.FOLDER, str(models / "typo"))
    assert "there is no folder" in absent(TOY)


def test_a_feature_names_its_line_of_the_config():
    assert 'give "preprocess.features.toy.path": "FOLDER"' in absent(FEATURE)
    assert 'check "preprocess.features.toy.path"' in absent(FEATURE, "elsewhere")


@pytest.mark.parametrize("given", ["elsewhere.pt", "/nowhere/toy", "./toys/small", "utils/typo"])
def test_a_mistyped_path_is_no_hub_id(given):
    assert "finds no model at" in absent(TOY, given) and "--toy" in absent(TOY, given)


def test_names_that_a_library_fetches_are_taken_and_listed():
    source = Source("toy", "a toy", names=lambda: ["tiny.en", "large"])
    assert find(source, "tiny.en") == "tiny.en"
    assert "by name there are tiny.en, large" in absent(source, "tiny.eng")


# Which it is


def test_a_file_with_another_sum_than_the_published_is_refused(tmp_path):
    file = toy_file(tmp_path / "toy_v1.pt")
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    published = Source("toy", "a toy", origin="https://example.org", sha256={"toy_v1.pt": right})
    assert find(published, str(file)) == str(file) and find(published, str(tmp_path)) == str(tmp_path)
    file.write_bytes(file.read_bytes() + b"\0")
    for place in (file, tmp_path):
        with pytest.raises(ValueError, match=f"toy_v1.pt is not the file .* {right} is right; download it again from https"):
            find(published, str(place))
    renamed = file.rename(tmp_path / "own.pt")
    assert find(published, str(renamed)) == str(renamed)


def test_a_sum_in_a_name_of_torchs_hub_is_checked(tmp_path):
    file = toy_file(tmp_path / "toy.pt")
    digits = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    right = shutil.copy(file, tmp_path / f"toy-{digits}.pth")
    wrong = shutil.copy(file, tmp_path / "toy-0badc0de.pth")
    assert find(TOY, str(right)) == str(right)
    with pytest.raises(ValueError, match="0badc0de is right"):
        find(TOY, str(wrong))


def test_a_digest_is_of_contents_and_not_of_names_and_places(tmp_path):
    first = toy_file(tmp_path / "a.pt")
    second = shutil.copy(first, tmp_path / "b.pt")
    assert digest(first) == digest(second) == digest_of_file(first)
    first.write_bytes(first.read_bytes() + b"\0")
    assert digest(first) != digest(second)


def test_a_folders_digest_is_of_what_is_read(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
        (tmp_path / name / "sub/pytorch_model.bin").write_bytes(b"weights of a part")
    same = digest(tmp_path / "one")
    for unread in ("README.md", ".gitattributes", "tf_model.h5", "pytorch_model.bin"):
        (tmp_path / "two" / unread).write_text("unread")
    assert digest(tmp_path / "two") == same
    (tmp_path / "two/sub/pytorch_model.bin").write_bytes(b"other weights of a part")
    assert digest(tmp_path / "two") != same


def test_a_name_that_a_library_fetches_stands_for_itself():
    assert digest("large-v3") == digest("large-v3") != digest("large-v2")


# The hub


def test_a_hub_that_cannot_be_reached_is_told_quickly():
    begin = time.monotonic()
    with pytest.raises(ValueError, match="toys/small is no folder here, and the hub did not give it"):
        fetch("toys/small")
    assert time.monotonic() - begin < 10


def test_without_a_network_what_was_fetched_before_serves(tmp_path):
    snapshot = hub_snapshot(tmp_path, "toys/small", {"config.json": b"{}", "model.safetensors": b"w"})
    assert fetch("toys/small") == snapshot and digest("toys/small") == digest(snapshot)


def test_a_hub_that_did_not_answer_is_not_asked_again(monkeypatch):
    import huggingface_hub

    asked = []

    def download(repository, **settings):
        asked.append(settings["local_files_only"])
        raise FileNotFoundError(repository)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ValueError, match="did not give it .ConnectError"):
        fetch("toys/small")
    assert asked == [True]


def test_only_what_is_read_is_downloaded(monkeypatch, tmp_path):
    import huggingface_hub

    names = ["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "text/pytorch_model.bin"]
    files = [huggingface_hub.hf_api.RepoSibling(rfilename=name) for name in names]
    asked = {}

    def download(repository, **settings):
        asked.update(settings)
        return str(tmp_path)

    answer = type("Answer", (), {"siblings": files})
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: answer)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert fetch("toys/small") == tmp_path and not asked["local_files_only"]
    assert asked["ignore_patterns"] == ["flax_model.msgpack", "pytorch_model.bin", "tf_model.h5"]


# Loading


def test_weights_are_loaded_once_for_a_device(tmp_path):
    file = str(toy_file(tmp_path / "toy.pt"))
    model = pretrained.from_weights(file, Toy, "cpu")
    assert model.layer.weight.shape == (2, 3) and not model.training
    assert pretrained.from_weights(file, Toy, "cpu") is model
    pretrained.forget()
    assert pretrained.from_weights(file, Toy, "cpu") is not model


def test_weights_that_are_damaged_or_of_another_network(tmp_path):
    file = toy_file(tmp_path / "toy.pt")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="toy.pt is damaged or cut short"):
        pretrained.from_weights(str(file), Toy, "cpu")
    torch.save({"weights": 1}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="other.pt holds no Toy: model is not in it"):
        pretrained.from_weights(str(tmp_path / "other.pt"), Toy, "cpu")
    torch.save({"model": {"layer.weight": torch.zeros(2, 3)}}, tmp_path / "part.pt")
    with pytest.raises(ValueError, match="part.pt holds no Toy: layer.bias and 0 more"):
        pretrained.from_weights(str(tmp_path / "part.pt"), Toy, "cpu")


def test_a_network_of_transformers_from_a_folder_and_from_the_cache(tmp_path):
    model = hubert(tmp_path / "hubert")
    found = pretrained.from_transformers(find(FEATURE, str(tmp_path / "hubert")), "HubertModel", "cpu")
    sound = torch.randn(1, 4000)
    with torch.inference_mode():
        assert torch.equal(found(sound).last_hidden_state, model(sound).last_hidden_state)
    assert pretrained.from_transformers(str(tmp_path / "hubert"), "HubertModel", "cpu") is found
    assert pretrained.preprocessor(str(tmp_path / "hubert")).sampling_rate == 16000
    snapshot = hub_snapshot(tmp_path, "toys/small", {})
    shutil.copytree(tmp_path / "hubert", snapshot, dirs_exist_ok=True)
    for place in (find(FEATURE), "toys/small"):
        again = pretrained.from_transformers(place, "HubertModel", "cpu")
        assert torch.equal(again.feature_projection.projection.weight, model.feature_projection.projection.weight)


def test_weights_that_transformers_would_draw_at_random_are_refused(tmp_path):
    hubert(tmp_path / "hubert")
    with pytest.raises(ValueError, match="holds no whole HubertForSequenceClassification: classifier.bias and 3 more"):
        pretrained.from_transformers(str(tmp_path / "hubert"), "HubertForSequenceClassification", "cpu")
    head = ("classifier.weight", "classifier.bias", "projector.weight", "projector.bias")
    pretrained.from_transformers(str(tmp_path / "hubert"), "HubertForSequenceClassification", "cpu", optional=head)


def test_a_folder_of_transformers_that_is_damaged_or_empty(tmp_path):
    hubert(tmp_path / "hubert")
    weights = tmp_path / "hubert/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(ValueError, match="no Hubert at .*config.json and what HubertModel reads"):
        pretrained.from_transformers(str(tmp_path / "hubert"), "HubertModel", "cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no AutoFeatureExtractor at"):
        pretrained.preprocessor(str(tmp_path / "empty"))


def test_an_onnx_file_and_its_folder_are_one_network(tmp_path):
    file = graph(tmp_path / "folder/model.onnx", ["n", "t"], outputs=("speaker",))
    (tmp_path / "folder/config.json").write_text(json.dumps({"sample_rate": 24000}))
    sound = np.random.default_rng(0).standard_normal((1, 50)).astype(np.float32)
    single = pretrained.onnx(str(file))
    folder = pretrained.onnx(str(tmp_path / "folder"))
    np.testing.assert_array_equal(single(sound), folder(sound))
    assert (single.sample_rate, folder.sample_rate) == (16000, 24000)
    assert pretrained.onnx(str(file)) is single


def test_onnx_runs_in_one_thread_on_the_cpu(tmp_path):
    network = Onnx(str(graph(tmp_path / "net.onnx", ["n", "t"])))
    options = network.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert network.session.get_providers() == ["CPUExecutionProvider"]


def test_onnx_goes_to_the_gpu_that_is_named_where_onnxruntime_can(caplog):
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert _providers("cpu", both) == ["CPUExecutionProvider"]
    assert _providers("cuda:1", both) == [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]
    assert _providers("cuda", ["CPUExecutionProvider"]) == ["CPUExecutionProvider"]


def test_what_is_no_onnx_file_is_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "net.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="net.onnx is damaged, or no network"):
        pretrained.onnx(str(tmp_path / "net.onnx"))
    with pytest.raises(ValueError, match="no network at .*model.onnx"):
        pretrained.onnx(str(tmp_path))


def test_weights_that_come_with_a_package():
    pytest.importorskip("resemblyzer")
    assert pretrained.resemblyzer("cpu") is pretrained.resemblyzer("cpu")


def test_a_whisper_that_its_library_cannot_fetch(monkeypatch):
    whisper = pytest.importorskip("whisper")
    from urllib.error import URLError

    def unreachable(name, device):
        raise URLError("no route")

    monkeypatch.setattr(whisper, "load_model", unreachable)
    with pytest.raises(ValueError, match="Whisper large-v3 was not given .*no route.* give the file"):
        pretrained.whisper("large-v3", "cpu")
    assert {"large-v3", "tiny.en"} <= set(pretrained.whisper_names())
