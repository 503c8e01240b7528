"""Piper's voices: an ONNX file in their layout made here, and a real one against onnxruntime."""

import fcntl
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from models import load
from models.upstream.piper import SCALE
from modules.norm import fold
from preprocessors.base import Utterance
from processors.text import Phones, places_of
from tests.conftest import SHARED
from tests.test_vits import SOUND, small
from tests.test_whisper import TOOL, WEIGHTS

SYMBOLS = ["_", "^", "$", " ", ".", "h", "ə", "l", "ˈ", "o", "ʊ"]
DECODER = {**SOUND, "resblock_kernel_sizes": (3, 5, 7), "resblock_dilation_sizes": ((1, 2), (2, 6), (3, 12))}
TEXT = "Hello there, my name is Joe."


def settings(**changes):
    return {
        "audio": {"sample_rate": 8000}, "espeak": {"voice": "en-us"}, "phoneme_type": "espeak",
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(SYMBOLS)},
        "inference": {"noise_scale": 0.5, "length_scale": 2, "noise_w": 0.25}, "num_speakers": 1, "speaker_id_map": {}, **changes,
    }  # fmt: skip


def speaking(speakers=1):
    """A small VITS that only speaks, its norms multiplied out as export does."""
    model = small(speakers, n_vocab=len(SYMBOLS), decoder=DECODER, n_fft=1024, win_size=1024, posterior_absent=True)
    return fold(model).eval()


def exported(model, path):
    """An ONNX file with the weights named as Piper's export names them; its nodes lead nowhere."""
    import onnx
    from onnx import helper, numpy_helper

    tensors, nodes = [], []
    for key, value in model.state_dict().items():
        name = key
        module = key.removesuffix(".weight").replace(".", "/", 1)
        if key == SCALE:
            name = "/dp/flows.0/Exp_output_0"
            value = (-value).exp()
            nodes += [
                helper.make_node("Sub", ["z", "dp.flows.0.m"], ["shifted"], "/dp/flows.0/Sub"),
                helper.make_node("Mul", ["shifted", name], ["scaled"], "/dp/flows.0/Mul"),
            ]
        elif ".enc." in key and key.endswith(".weight"):
            name = f"onnx::Conv_{len(tensors)}"
            path_of = key.removesuffix(".weight").replace("flow.flows", "flow/flows").replace(".enc.", "/enc/")
            nodes.append(helper.make_node("Conv", ["x", name], [f"y{len(nodes)}"], f"/{path_of}/Conv"))
        elif key == "enc_p.emb.weight":
            name = "sid"
            nodes.append(helper.make_node("Gather", [name, "input"], ["embedded"], f"/{module}/Gather"))
        tensors.append(numpy_helper.from_array(value.numpy(), name))
    graph = helper.make_graph(nodes, "voice", [], [], initializer=tensors)
    onnx.save(helper.make_model(graph), path)


@pytest.mark.parametrize("speakers", [1, 3])
def test_a_voice_in_onnx_speaks_as_the_model_that_it_was_made_of(tmp_path, speakers):
    pytest.importorskip("onnx")
    model = speaking(speakers)
    exported(model, tmp_path / "voice.onnx")
    ids = {"amy": 0, "bob": 1, "cy": 2} if speakers > 1 else {}
    (tmp_path / "voice.onnx.json").write_text(json.dumps(settings(num_speakers=speakers, speaker_id_map=ids)))
    (tmp_path / "another.onnx.json").write_text(json.dumps(settings(audio={"sample_rate": 16000})))
    task = load(tmp_path / "voice.onnx", device="cpu")
    assert task.rate == 8000 and task.card["speakers"] == (list(ids) or ["foreign_default"])
    assert task.card["inference"] == {"noise_scale": 0.5, "duration_noise": 0.25, "speed": 0.5}
    text = torch.tensor([[1, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0, 10, 0, 2]])
    chosen = torch.tensor([speakers - 1])
    wanted = model.infer(text, chosen, seed=1)
    got = task.model.infer(text, chosen, seed=1)
    assert torch.equal(got["duration"], wanted["duration"])
    torch.testing.assert_close(got["audio"], wanted["audio"], rtol=0, atol=1e-5)
    phone = task.features.features["phone"]
    tokens = phone(Utterance(id="-", text="Hello."))
    assert "".join(tokens) == "^həlˈoʊ.$"
    assert phone.encode(tokens).tolist()[::2] == phone.encode(tokens[[0]]).tolist() + [phone.ids[t] for t in tokens[1:]]
    assert set(phone.encode(tokens).tolist()[1::2]) == {0}
    assert len(task("Hello.", seed=0).samples)
    said = task.timed("Hello, hello.", seed=0)
    assert [word for word, *_ in said.words] == ["Hello", "hello"]
    assert said.phones[-1][2] == pytest.approx(said.audio.seconds, abs=1e-6)


def test_what_came_without_a_posterior_says_so(tmp_path):
    pytest.importorskip("onnx")
    exported(speaking(2), tmp_path / "voice.onnx")
    (tmp_path / "voice.onnx.json").write_text(json.dumps(settings(num_speakers=2)))
    task = load(tmp_path / "voice.onnx", device="cpu")
    with pytest.raises(ValueError, match="without a posterior.*train.init_from"):
        task.model.convert(torch.rand(1, 9, 513), torch.tensor([0]), torch.tensor([1]))


def test_other_files_are_named(tmp_path):
    pytest.importorskip("onnx")
    voice = tmp_path / "voice.onnx"
    exported(speaking(), voice)
    config = tmp_path / "voice.onnx.json"
    config.write_text(json.dumps(settings(phoneme_type="pinyin")))
    with pytest.raises(ValueError, match="phoneme_type.*pinyin.*espeak"):
        load(voice, device="cpu")
    config.write_text(json.dumps(settings(phoneme_id_map={"_": [0], "a": [1, 2]})))
    with pytest.raises(ValueError, match="phoneme_id_map gives 'a' the ids"):
        load(voice, device="cpu")
    config.write_text(json.dumps(settings()))
    voice.write_bytes(voice.read_bytes()[:5000])
    with pytest.raises(ValueError, match="damaged or cut short"):
        load(voice, device="cpu")


def test_a_checkpoint_of_its_training(tmp_path):
    """Of Lightning: the generator's weights behind `model_g.`, with a posterior, beside the discriminators'."""
    model = small(1, n_vocab=len(SYMBOLS), decoder=DECODER, n_fft=1024, win_size=1024)
    weights = {f"model_g.{key}": value for key, value in model.state_dict().items()}
    weights["model_d.convs.0.bias"] = torch.zeros(3)
    torch.save({"state_dict": weights, "hyper_parameters": {"dataset": tmp_path}}, tmp_path / "epoch=1-step=2.ckpt")
    (tmp_path / "config.json").write_text(json.dumps(settings()))
    task = load(tmp_path / "epoch=1-step=2.ckpt", device="cpu")
    text = torch.tensor([[1, 0, 5, 0, 6, 0, 2]])
    wanted = model.infer(text, seed=1)["audio"]
    torch.testing.assert_close(task.model.infer(text, seed=1)["audio"], wanted, rtol=0, atol=1e-5)
    assert task.model.enc_q is not None


def test_its_phones_can_be_learnt_anew():
    phone = Phones(symbols="piper", blanks="between")
    tokens = phone(Utterance(id="-", text="Hello."))
    table = phone._table_of([tokens.tolist()])["symbols"]
    assert table[:3] == ["_", "^", "$"] and set(tokens) <= set(table)
    letters = Phones(g2p="characters", symbols="piper")(Utterance(id="-", text="Élan"))
    assert letters.tolist() == ["^", "e", "\u0301", "l", "a", "n", "$"]


def test_places_of_tokens_among_blanks():
    assert list(places_of(3, 3)) == [0, 1, 2]
    assert list(places_of(3, 7)) == [1, 3, 5]
    assert list(places_of(3, 5)) == [0, 2, 4]


@pytest.fixture(scope="module")
def joe():
    """A real voice; whoever comes first has it made."""
    pytest.importorskip("onnx")
    if not TOOL.is_file():
        pytest.skip(f"no real voice: {SHARED} is not here")
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    with open(WEIGHTS / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run([sys.executable, str(TOOL), "piper"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no voice of Piper: {made.stderr.strip()}")
    return WEIGHTS / "piper" / "en_US-joe-medium.onnx"


def drawn_outside(path):
    """The voice's graph with its two draws as inputs."""
    import onnx

    model = onnx.load(path)
    draws = [node for node in model.graph.node if node.op_type == "RandomNormalLike"]
    for node in draws:
        model.graph.node.remove(node)
        model.graph.input.append(onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None))
    return model.SerializeToString(), [node.output[0] for node in draws]


@pytest.mark.parametrize("liveliness", [0.0, 1.0], ids=["steady", "drawn"])
def test_a_real_voice_says_what_onnxruntime_does(joe, liveliness):
    """Durations equal, samples within 1e-3, the same normal numbers given to both."""
    import onnxruntime

    graph, names = drawn_outside(joe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = load(joe, device="cpu")
    phone = task.features.features["phone"]
    ids = phone.encode(phone(Utterance(id="-", text=TEXT)))
    chance = torch.Generator().manual_seed(0)
    duration = torch.randn(1, 2, len(ids), generator=chance)
    prior = torch.randn(1, 192, 400, generator=chance)

    class Given:
        def normal(self, *shape, name):
            return duration if name == "duration" else prior[..., : shape[-1]]

    scales = {"noise_scale": 0.667 * liveliness, "duration_noise": 0.8 * liveliness}
    with torch.inference_mode():
        tokens = torch.tensor([len(ids)])
        planned = task.model.plan(torch.from_numpy(ids)[None], tokens, None, Given(), speed=1.0, **scales)
        ours = task.model.dec.decode(planned["z"], None)[0].flatten().numpy()
    frames = int(planned["frames"])
    session = onnxruntime.InferenceSession(graph)
    given = {name: (duration if index == 0 else prior[..., :frames]).numpy() for index, name in enumerate(names)}
    scaling = np.array([scales["noise_scale"], 1, scales["duration_noise"]], np.float32)
    theirs = session.run(None, {"input": ids[None], "input_lengths": np.array([len(ids)]), "scales": scaling, **given})[0].flatten()
    assert len(theirs) == frames * task.features.hop_size
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=0, atol=1e-3)
