"""Metrics that hear through a network: each is loaded by the real code from the real format, small and untrained where none is free."""

import json

import numpy as np
import pytest
import torch

from evaluation.base import all_metrics, evaluate
from evaluation.metric import METRICS, Options
from evaluation.models import RAWNET
from evaluation.networks import Cnn14, VGGish, vggish_examples
from evaluation.pair import Pair
from tests.conftest import SHARED
from tests.test_metrics import noisy, voice
from utils import pretrained
from utils.audio import Audio, pieces

all_metrics()
DNSMOS = SHARED / "data/weights/dnsmos"


@pytest.fixture
def two(tmp_path):
    for i in range(3):
        voice(1.5, f0=120 + 40 * i).write(tmp_path / f"ref/a{i}.wav")
        noisy(voice(1.5, f0=120 + 40 * i), 0.05 + 0.1 * i).write(tmp_path / f"deg/a{i}.wav")
    return tmp_path / "ref", tmp_path / "deg"


@pytest.fixture(scope="module")
def whisper_file(tmp_path_factory):
    """A Whisper of a few thousand numbers in OpenAI's own format."""
    model = pytest.importorskip("whisper.model")
    sizes = {"n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 2, "n_audio_layer": 1}
    sizes |= {"n_vocab": 51865, "n_text_ctx": 24, "n_text_state": 16, "n_text_head": 2, "n_text_layer": 1}
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("whisper") / "tiny.pt"
    torch.save({"dims": sizes, "model_state_dict": model.Whisper(model.ModelDimensions(**sizes)).state_dict()}, path)
    return path


def test_whisper_is_loaded_from_its_file_and_its_folder(whisper_file):
    from evaluation.intelligibility import transcript

    places = (whisper_file, whisper_file.parent)
    texts = {transcript(voice().resample(16000), whisper=str(place), language="english", device="cpu") for place in places}
    assert len(texts) == 1 and isinstance(texts.pop(), str)


def test_transcription_is_done_once_for_each_file_and_the_target_is_the_references(two, whisper_file, monkeypatch):
    heard = []
    words = {"ref": "one cat sat down here", "deg": "one cat sat up"}

    # Reference first, generated second, for each pair: what is heard depends on the order only.
    monkeypatch.setattr("utils.pretrained.whisper", lambda path, device: Alternating(words, heard))
    result = evaluate(*two, ["wer", "cer"], jobs=1, whisper=str(whisper_file))
    assert len(heard) == 6 and heard[0]["temperature"] == 0.0 and heard[0]["language"] == "en"
    assert result.metrics["wer"]["mean"] == pytest.approx(2 / 5)
    assert result.metrics["wer"]["totals"] == {"substitutions": 3, "deletions": 3, "insertions": 0}
    assert 0 < result.metrics["cer"]["mean"] < 1
    upstream = evaluate(*two, ["wer"], jobs=1, whisper=str(whisper_file), definition="upstream")
    assert upstream.metrics["wer"]["mean"] == 0  # it transcribes the generated file twice


class Alternating:
    """Hears the words of the reference and of the generated file in turn."""

    def __init__(self, words, heard):
        self.words, self.heard = words, heard

    def transcribe(self, samples, **settings):
        self.heard.append(settings)
        return {"text": self.words["ref" if len(self.heard) % 2 else "deg"]}


def test_transcripts_by_name_and_what_is_bad_about_them(two, whisper_file, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "utils.pretrained.whisper", lambda path, device: Alternating({"ref": "你好世界", "deg": "你好世界"}, [])
    )
    lines = tmp_path / "lines.txt"
    lines.write_text("a1.wav|你好，世界！\na0.wav|你好世间\nnot_there.wav|x\n", encoding="utf-8")
    chosen = {"whisper": str(whisper_file), "intelligibility_mode": "gt_content", "ltr_path": str(lines), "language": "chinese"}
    result = evaluate(*two, ["cer", "wer"], jobs=1, **chosen)
    assert result.values["cer"] == {"a0": 0.25, "a1": 0.0} and result.values["wer"] == result.values["cer"]
    assert "has no line for a2" in result.failed["cer"]["a2"] and result.metrics["cer"]["n"] == 2
    bad = tmp_path / "bad.txt"
    bad.write_text("a0.wav|one\nno bar here\n")
    result = evaluate(*two, ["cer"], jobs=1, **chosen | {"ltr_path": str(bad)})
    assert all("bad.txt:2 has no bar" in why for why in result.failed["cer"].values()) and len(result.failed["cer"]) == 3
    with pytest.raises(ValueError, match="finds no transcripts"):
        evaluate(*two, ["cer"], jobs=1, **chosen | {"ltr_path": str(tmp_path / "none.txt")})


def test_what_is_no_whisper_is_refused(tmp_path):
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="not Whisper's own format"):
        pretrained.whisper(str(tmp_path / "other.pt"), "cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds 0 files"):
        pretrained.whisper(str(tmp_path / "empty"), "cpu")


@pytest.fixture(scope="module")
def wavlm_folder(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    config = transformers.WavLMConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=[8] * 7, tdnn_dim=[8] * 5,
        xvector_output_dim=12, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, num_buckets=8,
    )  # fmt: skip
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("wavlm")
    transformers.WavLMForXVector(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(folder)
    return folder


def test_wavlm_from_a_folder_pairwise_and_overall(two, wavlm_folder):
    both = {
        mode: evaluate(*two, ["similarity"], jobs=1, similarity_model="wavlm", similarity_mode=mode, wavlm=str(wavlm_folder))
        for mode in ("pairwith", "overall")
    }
    pairwise, overall = both["pairwith"], both["overall"]
    assert list(pairwise.metrics) == ["similarity_wavlm"] and len(pairwise.values["similarity_wavlm"]) == 3
    row = overall.metrics["similarity_wavlm_overall"]
    assert -1 <= row["mean"] <= 1 and (row["n"], row["n_reference"]) == (3, 3) and row["interval"]
    same = Pair.of(voice(), voice(), Options(wavlm=str(wavlm_folder))).score(METRICS["similarity_wavlm"], 16000)
    assert same == pytest.approx(1, abs=1e-6)


def clap(folder, truncation):
    """A CLAP of a few thousand numbers that takes two seconds at once, with fusion where its truncation is so called."""
    transformers = pytest.importorskip("transformers")
    audio = {"hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 8, "num_classes": 4}
    audio |= {"spec_size": 64, "num_mel_bins": 16, "window_size": 4, "patch_size": 4, "patch_stride": [4, 4]}
    audio |= {"enable_fusion": truncation == "fusion", "aff_block_r": 2}
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 20}
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=6)
    torch.manual_seed(0)
    transformers.ClapModel(config).save_pretrained(folder)
    transformers.ClapFeatureExtractor(feature_size=16, truncation=truncation, max_length_s=2).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory):
    return clap(tmp_path_factory.mktemp("clap"), "rand_trunc")


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_folders_kept_in_half_precision_are_computed_in_single(wavlm_folder, clap_folder, kind, tmp_path):
    from transformers import AutoFeatureExtractor, ClapModel, WavLMForXVector

    from evaluation.distribution import clap_rows
    from evaluation.similarity import wavlm_speaker

    for load, folder, view, rate in (
        (WavLMForXVector, wavlm_folder, lambda sound, path: wavlm_speaker(sound, wavlm=path, device="cpu"), 16000),
        (ClapModel, clap_folder, lambda sound, path: clap_rows(sound, clap=path, device="cpu"), 48000),
    ):
        half = tmp_path / load.__name__
        load.from_pretrained(folder).to(getattr(torch, kind)).save_pretrained(half)
        AutoFeatureExtractor.from_pretrained(folder).save_pretrained(half)
        assert json.loads((half / "config.json").read_text())["dtype"] == kind
        whole, found = (view(voice(1.5).resample(rate), str(path)).values for path in (folder, half))
        assert found.shape == whole.shape and np.isfinite(found).all()
        assert float((whole * found).sum() / np.linalg.norm(whole) / np.linalg.norm(found)) > 0.99


def test_a_network_of_half_precision_in_onnx(two, tmp_path):
    path = graph(tmp_path / "half.onnx", ["n", "t"], outputs=("speaker",), half=True)
    found = evaluate(*two, ["similarity_rawnet"], jobs=1, rawnet=str(path))
    assert not found.failed["similarity_rawnet"] and pretrained.onnx(str(path))(np.ones((1, 9))).dtype == np.float32


@pytest.mark.parametrize("truncation", ["rand_trunc", "fusion"])
def test_clap_hears_a_file_alike_whatever_else_was_heard(tmp_path, truncation):
    from evaluation.distribution import clap_rows

    folder = clap(tmp_path, truncation)
    sounds = [voice(seconds, seed=i).resample(48000) for i, seconds in enumerate((1.5, 4.3, 0.7))]  # two seconds are taken at once
    first = [clap_rows(sound, clap=str(folder), device="cpu").values for sound in sounds]
    np.random.seed(7)
    again = [clap_rows(sound, clap=str(folder), device="cpu").values for sound in reversed(sounds)][::-1]
    assert [len(rows) for rows in first] == [1, 2, 1]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_folder_without_a_wavlm(two, tmp_path):
    (tmp_path / "none").mkdir()
    result = evaluate(*two, ["similarity_wavlm"], jobs=1, wavlm=str(tmp_path / "none"))
    assert all("no WavLM at" in why for why in result.failed["similarity_wavlm"].values())
    with pytest.raises(ValueError, match="or --wavlm microsoft/wavlm-base-plus-sv to have it fetched"):
        evaluate(*two, ["similarity_wavlm"], jobs=1)


def graph(path, shape, *, outputs=("embedding", "logits"), half=False):
    """An ONNX file: statistics of its input over time, times fixed random weights, one output for each name."""
    helper = pytest.importorskip("onnx").helper
    from onnx import TensorProto, numpy_helper, save

    size = 1 if len(shape) == 2 else shape[-1]
    numbers, kind = (np.float16, TensorProto.FLOAT16) if half else (np.float32, TensorProto.FLOAT)
    weights = [
        numpy_helper.from_array(np.random.default_rng(i).standard_normal((2 * size, 6)).astype(numbers), f"w{i}")
        for i in range(len(outputs))
    ]
    axes = numpy_helper.from_array(np.array([1]), "axes")
    keep = int(len(shape) == 2)
    nodes = [
        helper.make_node("ReduceL2", ["x", "axes"], ["a"], keepdims=keep),
        helper.make_node("ReduceMax", ["x", "axes"], ["b"], keepdims=keep),
        helper.make_node("Concat", ["a", "b"], ["s"], axis=1),
        *(helper.make_node("MatMul", ["s", f"w{i}"], [name]) for i, name in enumerate(outputs)),
    ]
    made = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [*weights, axes],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_speaker_networks_in_onnx(two, tmp_path):
    wespeaker = graph(tmp_path / "wespeaker.onnx", ["n", "t", 80], outputs=("embs",))
    rawnet = graph(tmp_path / "rawnet/model.onnx", ["n", "t"], outputs=("speaker",)).parent
    (rawnet / "config.json").write_text(json.dumps({"input": "waveform", "crop_seconds": 1.0, "crops": 4}))
    names = ["similarity_wespeaker", "similarity_rawnet"]
    places = {"wespeaker": str(wespeaker), "rawnet": str(rawnet)}
    result = evaluate(*two, names, jobs=1, **places)
    same = Pair.of(voice(), voice(), Options(**places))
    for name in names:
        assert len(result.values[name]) == 3
        assert not result.failed[name]
        assert same.score(METRICS[name], 16000) == pytest.approx(1, abs=1e-6)


NO_SETTINGS = ["5", "null", "[]", '"x"', '{"sample_rate": null}', '{"sample_rate": 1e9}', '{"crops": []}', '{"input": 5}', '{"logits": {}}']


@pytest.mark.parametrize("text", NO_SETTINGS)
def test_settings_of_a_network_that_are_none_are_named(tmp_path, text):
    folder = graph(tmp_path / "rawnet/model.onnx", ["n", "t"], outputs=("speaker",)).parent
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match="config.json is not what it should be"):
        pretrained.onnx(str(folder))


def test_models_are_found_in_their_folder(tmp_path, monkeypatch):
    file = graph(tmp_path / "models/rawnet.onnx", ["n", "t"], outputs=("speaker",))
    monkeypatch.setenv("AMPHION_MODELS", str(tmp_path / "models"))
    row = METRICS["similarity_rawnet"]
    assert pretrained.locate(RAWNET) == str(file)
    assert row.absent(Options()) == ""
    assert "finds no model" in row.absent(Options(rawnet="elsewhere.onnx"))
    for side in ("ref", "deg"):
        voice().write(tmp_path / side / "a.wav")
    result = evaluate(tmp_path / "ref", tmp_path / "deg", ["similarity_rawnet"], jobs=1)
    settings = result.settings["metrics"]["similarity_rawnet"]
    assert settings["options"] == {"rawnet": str(file)}


def test_a_classifier_in_onnx_gives_every_distance(two, tmp_path):
    classifier = graph(tmp_path / "classifier/model.onnx", ["n", "t"]).parent
    (classifier / "config.json").write_text('{"sample_rate": 16000, "embedding": "embedding", "logits": "logits"}')
    options = {"jobs": 1, "classifier": str(classifier)}
    result = evaluate(*two, ["fd", "kd", "is", "kl", "kl_sigmoid"], **options)
    assert not any(result.failed.values())
    assert len(result.values["kl"]) == 3
    assert mean_of(result, "fd") > 0
    assert mean_of(result, "is") >= 1
    assert mean_of(result, "kl") >= 0
    same = evaluate(two[0], two[0], ["fd", "kl"], **options)
    assert mean_of(same, "fd") == pytest.approx(0, abs=1e-5)
    assert mean_of(same, "kl") == 0
    (classifier / "config.json").write_text('{"embedding": "hidden"}')
    pretrained.forget()
    failed = evaluate(*two, ["fd"], **options).failed["fd"]
    assert "no output 'hidden'" in failed["a0"]


def mean_of(result, name):
    return result.metrics[name]["mean"]


def test_folders_need_no_partners_for_a_distance_between_them(two, tmp_path):
    for path in list(two[1].iterdir()):
        path.rename(path.with_name(f"other_{path.name}"))
    classifier = graph(tmp_path / "c.onnx", ["n", "t"])
    row = evaluate(*two, ["fd"], jobs=1, classifier=str(classifier)).metrics["fd"]
    assert (row["n"], row["n_reference"]) == (3, 3) and row["mean"] > 0


def test_cnn14_reads_its_sizes_from_published_weights(two, tmp_path):
    torch.manual_seed(0)
    model = Cnn14(n_fft=512, classes=7, widths=(4, 4, 4, 4, 4, 8)).eval()
    hann = torch.hann_window(512)
    angles = 2 * np.pi * torch.arange(257)[:, None] * torch.arange(512) / 512
    with torch.no_grad():
        model.spectrogram_extractor.stft.conv_real.weight.copy_((angles.cos() * hann)[:, None])
        model.spectrogram_extractor.stft.conv_imag.weight.copy_((-angles.sin() * hann)[:, None])
        model.logmel_extractor.melW.copy_(torch.rand(257, 64))
    path = tmp_path / "Cnn14_16k.pth"
    published = model.state_dict() | {"spectrogram_extractor.stft.window": hann}
    torch.save({"iteration": 1, "model": published}, path)
    loaded = pretrained.from_weights(str(path), Cnn14, "cpu")
    assert loaded.sample_rate == 16000
    sound = torch.from_numpy(voice(1.5, rate=16000).samples)[None]
    embedding, logits = loaded(sound)
    assert embedding.shape == (1, 8) and logits.shape == (1, 7)
    spectrum = torch.stft(sound, 512, 160, window=hann, pad_mode="reflect", return_complex=True)
    assert torch.allclose(loaded._power(sound), spectrum.abs() ** 2, atol=1e-3)
    result = evaluate(*two, ["kl", "fd"], jobs=1, classifier=str(path))
    assert not any(result.failed.values()) and result.metrics["kl"]["mean"] > 0
    torch.save({"model": {"fc.weight": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="holds no Cnn14"):
        pretrained.from_weights(str(tmp_path / "other.pth"), Cnn14, "cpu")


def test_vggish_from_its_published_format(two, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "vggish.pth"
    torch.save(VGGish(hidden=8, size=5).state_dict(), path)
    result = evaluate(*two, ["fad"], jobs=1, vggish=str(path))
    assert result.metrics["fad_vggish"]["mean"] >= 0 and result.metrics["fad_vggish"]["n"] == 3
    assert vggish_examples(voice(3.1, rate=16000).samples).shape == (3, 96, 64)
    with pytest.raises(ValueError, match="too short for VGGish"):
        vggish_examples(voice(0.9, rate=16000).samples)
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    # HTK's mel of 1000 Hz is 1000; the middle of band k lies k + 1 of 65 steps from 185 to 2840 mel.
    assert abs(vggish_examples(tone)[0, 50].argmax() - ((1000 - 184.98) / (2840.02 - 184.98) * 65 - 1)) <= 1


def test_clap_from_a_folder(two, clap_folder):
    result = evaluate(*two, ["fad"], jobs=1, fad_model="clap", clap=str(clap_folder))
    assert not result.failed["fad_clap"] and result.metrics["fad_clap"]["mean"] >= 0


def test_given_embeddings(two):
    rng = np.random.default_rng(0)
    for folder, mean in zip(two, (0.0, 2.0), strict=True):
        for path in list(folder.glob("*.wav")):
            np.save(path.with_suffix(".npy"), rng.normal(mean, 1, (50, 3)))
    row = evaluate(*two, ["fad"], jobs=1, fad_model="given").metrics["fad_given"]
    assert row["mean"] == pytest.approx(12, rel=0.3)
    low, high = row["interval"]
    assert low < row["mean"] < high
    (two[1] / "a1.npy").unlink()
    failed = evaluate(*two, ["fad"], jobs=1, fad_model="given").failed["fad_given"]
    assert "no embeddings at" in failed["a1"]


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_given_embeddings_that_are_none_are_failures(two, content):
    for path in [path for folder in two for path in folder.glob("*.wav")]:
        if content is None:
            np.save(path.with_suffix(".npy"), np.array(["a", "b"]))
        else:
            path.with_suffix(".npy").write_bytes(content)
    found = evaluate(*two, ["fad"], jobs=1, fad_model="given")
    assert found.metrics["fad_given"]["n"] == 0 and ".npy" in str(found.failed["fad_given"])


def test_one_recording_is_no_distribution(two):
    for folder in two:
        for path in list(folder.glob("*.wav"))[1:]:
            path.unlink()
        np.save(next(folder.glob("*.wav")).with_suffix(".npy"), np.ones(4))
    for path in two[1].iterdir():
        path.rename(path.with_name(next(two[0].glob("*.wav")).stem + path.suffix))
    result = evaluate(*two, ["fad"], jobs=1, fad_model="given")
    assert "at least two embeddings" in result.failed["fad_given"]["(all files)"] and result.metrics["fad_given"]["mean"] is None


@pytest.mark.skipif(not DNSMOS.is_dir(), reason=f"no DNSMOS at {DNSMOS}")
def test_dnsmos_of_real_speech_and_of_noise():
    path = sorted((SHARED / "data/kathleen/wavs").glob("*.flac"))[0]
    sound = Audio.read(path, 24000, seconds=5.0)
    loud = float(np.std(sound.samples))
    options = Options(dnsmos=str(DNSMOS))
    pairs = [Pair.of(sound, noisy(sound, loud * share), options) for share in (0.0, 0.1, 0.5)]
    for name in ("dnsmos", "dnsmos_background", "dnsmos_p808"):
        clean, noisier, noisiest = (pair.score(METRICS[name], 16000) for pair in pairs)
        assert 5 >= clean > noisier > noisiest >= 1, name
    same = Pair.of(sound, sound, options)
    assert 2.5 < same.score(METRICS["dnsmos"], 16000) < 4


def test_pieces_repeat_what_is_short():
    assert pieces(np.arange(3), 7, 2).tolist() == [[0, 1, 2, 0, 1, 2, 0]]
    assert pieces(np.arange(6), 4, 2).tolist() == [[0, 1, 2, 3], [2, 3, 4, 5]]
