"""Content features, by small untrained networks in the real layouts: what they say, how long sounds are cut, which network it was."""

import json
import shutil
from fractions import Fraction

import numpy as np
import pytest
import torch

from bins.extract import extract
from models.base.experiment import Experiment
from preprocessors.base import read_manifest
from processors.clock import Clock, frame_clock, pooled
from processors.features import FeatureSet, feature_class
from processors.hubert import ContentVec
from processors.pieces import joined, pieces
from processors.wenet import bands
from tests.conftest import clip, make_corpus, toy_config
from tests.content_networks import RATES, Plain, content_folder, contentvec_folder, mert_folder, wenet_file, wenet_onnx
from tests.test_pretrained_networks import hubert
from utils import pretrained
from utils.audio import Audio


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv(pretrained.FOLDER, raising=False)
    yield
    pretrained.forget()


def sound(seconds, rate=16000, seed=0):
    random = np.random.default_rng(seed)
    tone = Audio(clip(seconds, 150 + 40 * seed, seed), 16000).resample(rate).samples
    return Audio(tone + 0.01 * random.standard_normal(len(tone)).astype(np.float32), rate)


def feature(name, place, **settings):
    last = {} if name in ("whisper", "wenet") else {"layer": 1}
    return feature_class(name)(model=str(place), **{**last, **settings})


def said(content, audio):
    return content(None, audio)


# Each of them


@pytest.mark.parametrize("name", RATES)
def test_a_batch_says_of_each_what_it_says_alone_and_frames_are_as_many_as_the_clock_has(tmp_path, name):
    content = feature(name, content_folder(name, tmp_path))
    audios = [sound(1.3, content.input_rate, seed) for seed in range(3)]
    audios = [content.cut(audio) for audio in audios]
    together = content.compute([None] * 3, audios, "cpu")
    assert content.input_rate == RATES[name]
    clock = content.clock
    for audio, array in zip(audios, together, strict=True):
        alone = said(content, audio)
        np.testing.assert_allclose(array, alone, atol=1e-5)
        last = clock.first + (len(array) - 1) / clock.rate
        behind = (audio.seconds - last) * clock.rate
        assert 0 <= behind < 2.5
        assert array.shape[1] == content.channels


@pytest.mark.parametrize("name", RATES)
def test_a_sound_of_no_length_to_speak_of_is_filled_up(tmp_path, name):
    content = feature(name, content_folder(name, tmp_path))
    array = said(content, Audio(np.zeros(90, dtype=np.float32), content.input_rate))
    assert len(array) == 1 and np.isfinite(array).all()


@pytest.mark.parametrize("name", RATES)
def test_a_long_sound_is_that_of_its_pieces_without_their_edges(tmp_path, name):
    content = feature(name, content_folder(name, tmp_path), piece_seconds=2.88)
    audio = sound(7.3, content.input_rate)
    whole = said(content, audio)
    samples = content.prepared(content.cut(audio).samples)
    network = content.network(content._place(), "cpu")

    def at(seconds, rate=int(content.clock.rate)):
        return round(seconds * rate)

    places = ((0, 0, 2.4), (1.92, 2.4, 4.32), (3.84, 4.32, 6.24), (5.76, 6.24, 7.1))  # seconds
    for begin, first, last in places:
        start = at(begin, content.input_rate)
        end = at(begin + 2.88, content.input_rate)
        (array,) = network([samples[start:end]])
        low = at(first)
        high = at(last)
        shift = at(begin)
        np.testing.assert_allclose(whole[low:high], array[low - shift : high - shift], atol=1e-5)
    single = feature(name, content.model, piece_seconds=8.0)
    assert len(said(single, audio)) == len(whole)


def test_pieces_hold_every_frame_once_whatever_the_length():
    for frames in (1, 9, 90, 91, 150, 151, 1234):
        cut = pieces(10 * frames, hop=10, longest=90)
        numbers = np.arange(frames)
        arrays = []
        for piece in cut:
            first = piece.begin // 10
            last = piece.end // 10
            assert last - first <= 90
            arrays.append(numbers[first:last])
        np.testing.assert_array_equal(joined(arrays, cut), numbers)


# HuBERT's layout


@pytest.mark.parametrize("normalised", [False, True])
def test_contentvec_is_a_layer_of_hubert_and_its_final_projection(tmp_path, normalised):
    import transformers
    from safetensors.torch import load_file

    folder = contentvec_folder(tmp_path / "contentvec", normalised=normalised)
    audio = sound(1.0)
    samples = audio.samples[: 400 + 48 * 320]  # what fills no frame is left off
    if normalised:
        samples = (samples - samples.mean()) / samples.std()
    model = transformers.HubertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = model(torch.from_numpy(samples)[None], output_hidden_states=True).hidden_states[1][0]
    weights = load_file(folder / "model.safetensors")
    projected = expected @ weights["final_proj.weight"].T + weights["final_proj.bias"]
    np.testing.assert_allclose(said(feature("contentvec", folder), audio), expected, atol=1e-4)
    np.testing.assert_allclose(said(feature("contentvec", folder, final_proj=True), audio), projected, atol=1e-3)


def test_a_layer_that_is_not_there_and_a_projection_that_is_not_there_are_named(tmp_path):
    folder = tmp_path / "hubert"
    hubert(folder)
    with pytest.raises(ValueError, match=r"contentvec.layer: .* has layers 1 to 1, got 12"):
        ContentVec(model=str(folder)).channels  # noqa: B018
    with pytest.raises(ValueError, match="holds no final_proj.weight: set contentvec.final_proj to false"):
        ContentVec(model=str(folder), layer=1, final_proj=True).channels  # noqa: B018


@pytest.mark.parametrize("beyond", ["feature_extractor_cqt", "deepnorm"])
def test_a_mert_that_is_more_than_hubert_is_refused(tmp_path, beyond):
    folder = mert_folder(tmp_path / "mert", **{beyond: True})
    with pytest.raises(ValueError, match=f"no HuBERT but for its weights .{beyond}"):
        feature("mert", folder).channels  # noqa: B018


def test_other_frames_than_huberts_are_refused(tmp_path):
    folder = contentvec_folder(tmp_path / "contentvec")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "conv_stride": [4, 2, 2, 2, 2, 2, 2]}))
    with pytest.raises(ValueError, match="frames of other lengths"):
        feature("contentvec", folder).channels  # noqa: B018


# WeNet


def test_wenet_hears_kaldis_bands_of_whole_numbers_with_a_frame_more(tmp_path):
    from torchaudio.compliance import kaldi

    audio = sound(1.0)
    padded = torch.from_numpy(np.pad(audio.samples, (0, 160)))[None]
    expected = kaldi.fbank(padded * 32768, num_mel_bins=80, dither=0.0, energy_floor=0.0)
    np.testing.assert_allclose(bands(audio.samples), expected, atol=1e-4)
    with_count = said(feature("wenet", wenet_file(tmp_path / "a.pt")), audio)
    without = said(feature("wenet", wenet_file(tmp_path / "b.pt", Plain)), audio)
    np.testing.assert_array_equal(with_count, without)
    assert len(with_count) == ((len(expected) - 1) // 2 - 1) // 2


def test_wenet_in_onnx_is_told_how_long_each_is_and_its_frames_are_centred_on_the_middle_of_seven(tmp_path):
    click = np.zeros(16000, dtype=np.float32)
    content = feature("wenet", wenet_onnx(tmp_path / "wenet.onnx"))
    centre = content.clock.first + 9 / content.clock.rate
    click[int(centre * 16000)] = 0.5
    array = said(content, Audio(click, 16000))
    loudness = array.sum(axis=1)
    assert loudness.argmax() == 9
    floor = np.log(np.finfo(np.float32).eps)
    assert array[0, 0] == pytest.approx(99 + floor, abs=1e-3), "it was told 99 frames"


def test_a_file_that_torch_jit_did_not_write_is_named(tmp_path):
    (tmp_path / "wenet.pt").write_bytes(b"no network")
    with pytest.raises(ValueError, match="wenet.pt is damaged, or no network that torch.jit exported"):
        feature("wenet", tmp_path / "wenet.pt").channels  # noqa: B018


# To the frames of the model


RATIOS = [(24000, 256, 50), (24000, 256, 75), (44100, 512, 50), (16000, 640, 50), (24000, 960, 25)]


@pytest.mark.parametrize("sizes", RATIOS)
def test_alignment_as_upstream_repeats_and_averages(sizes):
    rate, hop, own = sizes
    random = np.random.default_rng(0)
    array = random.standard_normal((37, 3))
    ratio = Fraction(rate, hop) / own
    repeated = np.repeat(array, ratio.numerator, axis=0)
    group = ratio.denominator
    whole = len(repeated) // group
    groups = repeated[: whole * group].reshape(whole, group, 3)
    means = groups.mean(axis=1)
    behind = [means[-1:]] * 5
    expected = np.concatenate([means, *behind])
    grid = frame_clock(rate, hop, "same")
    clock = Clock(own, Fraction(1, 80))
    found = pooled(array, grid, clock, 0, whole + 5)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(pooled(array, grid, clock, 7, 9), found[7:16], atol=1e-5)


@pytest.mark.parametrize("alignment", ["clock", "upstream"])
def test_the_features_setting_chooses_the_alignment(tmp_path, alignment):
    folder = make_corpus(tmp_path, [1.0] * 3)
    place = contentvec_folder(tmp_path / "contentvec")
    section = {"model": str(place), "layer": 1, "alignment": alignment}
    features = FeatureSet({"mel": {}, "contentvec": section}, sample_rate=24000, hop_size=256)
    utterance = read_manifest(folder / "data/custom/train.jsonl")[0]
    kept = features.raw(utterance, ["contentvec"])["contentvec"]
    assert kept.dtype == np.float16
    found = features(utterance)
    assert len(found["contentvec"]) == len(found["mel"])
    centres = np.arange(93) * 256 + 128
    own_centres = np.arange(49) * 320 + 200
    first = np.interp(centres / 24000, own_centres / 16000, kept[:, 0])
    column = found["contentvec"][:, 0]
    by_clock = np.allclose(column, first, atol=1e-3)
    assert by_clock == (alignment == "clock")


# Which network it was


def experiment(folder, place, **settings):
    features = {"contentvec": {"model": str(place), "layer": 1, **settings}}
    return Experiment.read(toy_config(folder, preprocess={"features": features}))


def extracted(found):
    """With what the extract stage learns; arrays are computed and kept when they are asked for."""
    found.features.fit(found.everything(), found.datasets, jobs=1)
    return found


def test_training_needs_the_network_no_more_and_the_card_says_which_it_was(tmp_path):
    folder = make_corpus(tmp_path, [1.0] * 4)
    place = contentvec_folder(tmp_path / "contentvec")
    digest = pretrained.digest(place)
    first = extracted(experiment(folder, place))
    utterance = first.manifests["train"][0]
    before = first.features(utterance, ["contentvec"])["contentvec"]
    shutil.move(place, tmp_path / "moved")
    training = experiment(folder, place)
    assert training.card["learned"]["contentvec"] == {"network": digest, "channels": 16}
    assert training.card["facts"]["channels"] == {"contentvec": 16}
    np.testing.assert_array_equal(training.features(utterance, ["contentvec"])["contentvec"], before)


def test_at_inference_it_may_lie_elsewhere_but_another_one_is_refused(tmp_path, monkeypatch):
    place = contentvec_folder(tmp_path / "models/contentvec")
    learned = {"network": pretrained.digest(place), "channels": 16}
    content = feature("contentvec", "/gone/contentvec")
    content.restore(learned, None)
    with pytest.raises(ValueError, match="contentvec has no model here: .* set AMPHION_MODELS to a folder that holds contentvec"):
        said(content, sound(1.0))
    monkeypatch.setenv(pretrained.FOLDER, str(place.parent))
    assert said(content, sound(1.0)).shape == (49, 16)
    content.restore({**learned, "network": "0123456789ab"}, None)
    with pytest.raises(ValueError, match="is another network than was trained with, whose digest is 0123456789ab"):
        said(content, sound(1.0))


def test_another_network_at_the_same_place_is_extracted_anew(tmp_path):
    folder = make_corpus(tmp_path, [1.0] * 4)
    place = contentvec_folder(tmp_path / "contentvec")
    first = extracted(experiment(folder, place))
    utterance = first.manifests["train"][0]
    before = first.features(utterance, ["contentvec"])["contentvec"]
    contentvec_folder(place, normalised=True)
    pretrained.forget()
    with pytest.raises(ValueError, match="run the extract stage again"):
        experiment(folder, place).card  # noqa: B018
    after = extracted(experiment(folder, place)).features(utterance, ["contentvec"])["contentvec"]
    assert np.abs(after - before).max() > 0.1


@pytest.mark.parametrize("name", RATES)
def test_one_that_is_nowhere_says_what_to_do_before_anything_is_extracted(tmp_path, name):
    folder = make_corpus(tmp_path, [1.0] * 4)
    config = toy_config(folder, preprocess={"features": {name: {}}})
    with pytest.raises(ValueError, match=f'{name} has no model here: give "preprocess.features.{name}.model": "F'):
        extract(Experiment.read(config), jobs=1)


@pytest.mark.parametrize("name", ["whisper", "contentvec"])
def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch, name):
    content = feature(name, content_folder(name, tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(ValueError, match=f"{name} needs the package transformers: pip install"):
        said(content, sound(1.0))


def test_pieces_that_are_too_short_or_too_long_are_named():
    with pytest.raises(ValueError, match="whisper.piece_seconds: at most 30"):
        feature_class("whisper")(piece_seconds=31.0)
    with pytest.raises(ValueError, match="mert.piece_seconds: 1.0 or more"):
        feature_class("mert")(piece_seconds=0.5)
    for endless in (np.inf, np.nan):
        with pytest.raises(ValueError, match="contentvec.piece_seconds: 1.0 or more"):
            feature_class("contentvec")(piece_seconds=endless)


@pytest.mark.parametrize(("name", "other"), [("contentvec", "wavlm"), ("contentvec", "mert"), ("mert", "wavlm"), ("wavlm", "contentvec")])
def test_a_network_of_another_kind_is_refused_although_its_weights_would_fit(tmp_path, name, other):
    content = feature(name, content_folder(other, tmp_path), layer=1)
    with pytest.raises(ValueError, match=rf"{name}: .*{other} is a (wavlm|mert_model|hubert) by its config.json"):
        said(content, sound(1.0))
