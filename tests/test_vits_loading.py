"""Published VITS in the containers they come in: jaywalnut310's, Amphion's folders with their traps, transformers'; and Hi-Fi TTS."""

import json

import numpy as np
import pytest
import torch

from models import load
from models.upstream.vits_maps import facts_of
from preprocessors.base import prepare, read_manifest
from processors.lexicon import published
from processors.text import Phones
from tests.parity import old_keys
from tests.test_vits import SMALL, SOUND, small
from utils.audio import Audio

MODEL = {
    "hidden_channels": 16, "inter_channels": 8, "filter_channels": 24, "n_heads": 2, "n_layers": 2, "kernel_size": 3,
    "p_dropout": 0.1, "n_layers_q": 3, **{k: v for k, v in SOUND.items() if k != "resblock"}, "resblock": "2", "gin_channels": 6,
}  # fmt: skip
SYMBOLS = "<eps> 0\nb 1\nh 2\nl 3\noʊ 4\nə 5\nɛ 6\n_ 7\n. 8\n"


def jaywalnut310(folder, model, *, name="ljs_base.json", weights="pretrained_ljs.pth", **data):
    data = {
        "text_cleaners": ["english_cleaners2"], "sampling_rate": 8000, "filter_length": 64, "hop_length": 16, "win_length": 64,
        "n_mel_channels": 10, "mel_fmax": None, "add_blank": True, **data,
    }  # fmt: skip
    config = {"train": {"segment_size": 128}, "data": data, "model": MODEL}
    (folder / name).write_text(json.dumps(config))
    torch.save({"model": old_keys(model.state_dict()), "iteration": 1, "optimizer": {}, "learning_rate": 2e-4}, folder / weights)
    return folder


def says_the_same(task, model, ids, number=0):
    """The task's samples for ids that its front end made are those of the model itself."""
    wanted = model.infer(torch.tensor([ids]), torch.tensor([number]), seed=1)["audio"][0].numpy()
    got = task.model.infer(torch.tensor([ids]), torch.tensor([number]), seed=1)["audio"][0].numpy()
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_jaywalnut310_of_one_and_of_many(tmp_path):
    for speakers, weights in ((1, "pretrained_ljs.pth"), (3, "pretrained_vctk.pth")):
        folder = tmp_path / weights
        folder.mkdir()
        model = small(n_speakers=speakers, **vocabulary(178))
        (folder / "another.json").write_text('{"vocoder": 1}')  # which sorts before ours
        task = load(jaywalnut310(folder, model, weights=weights), device="cpu")
        torch.save({"model": {}}, folder / "D_100.pth")
        text = Phones(symbols="vits", blanks=True)
        ids = text.encode(text(utterance("hello")))
        assert np.array_equal(task.features.features["phone"].encode(task.features.raw(utterance("hello"), ["phone"])["phone"]), ids)
        assert set(ids[::2]) == {0}, "a blank around each"
        says_the_same(task, model, ids.tolist())
        assert task.rate == 8000 and len(task("hello", seed=0).samples) % 16 == 0
        assert task.model.slice_frames == 8
        assert len(load(folder / weights, device="cpu")("hello", seed=0).samples)
    with pytest.raises(ValueError, match="did you mean 'speaker_2'"):
        task("hello", speaker="speaker_22")
    assert len(task("hello", speaker="speaker_2", seed=0).samples)


def vocabulary(size):
    return {"n_vocab": size}


def utterance(text):
    from preprocessors.base import Utterance

    return Utterance(id="-", text=text)


def test_jaywalnut310s_other_front_ends_are_refused_with_a_reason(tmp_path):
    model = small(n_speakers=1, n_vocab=178)
    with pytest.raises(ValueError, match="text_cleaners.*japanese_cleaners.*english_cleaners2"):
        load(jaywalnut310(tmp_path, model, text_cleaners=["japanese_cleaners"]))
    model = small(n_speakers=1, n_vocab=51)
    with pytest.raises(ValueError, match='know 51 symbols, and the table has 178: give .*"symbols"'):
        load(jaywalnut310(tmp_path, model))
    (tmp_path / "pretrained_ljs.pth").unlink()
    with pytest.raises(ValueError, match="no pretrained_"):
        load(tmp_path)


def amphion(folder, model, *, preprocess, beside):
    p = {"sample_rate": 8000, "n_fft": 64, "hop_size": 16, "win_size": 64, "n_mel": 10, "fmin": 0, "fmax": None, "segment_size": 128}
    config = {"model_type": "VITS", "base_config": "config/vits.json", "preprocess": p | preprocess, "model": MODEL | {"n_speakers": 0}}
    inside = folder / "checkpoint/epoch-0820_step-0637917_loss-34.485847"
    inside.mkdir(parents=True)
    (folder / "args.json").write_text(json.dumps(config))
    torch.save(old_keys(model.state_dict()), inside / "pytorch_model.bin")
    torch.save({"discriminators.0.conv_post.bias": torch.zeros(1)}, inside / "pytorch_model_1.bin")
    for name, text in beside.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_amphions_ljspeech_reads_the_phones_of_a_lexicon_as_letters_without_blanks(tmp_path):
    """No symbols.dict, no add_blank in args.json (it was not there yet), and layers for speakers that it has not."""
    (tmp_path / "lexicon.txt").write_text("HELLO HH AH0 L OW1\n")
    model = small(n_speakers=1, n_vocab=512, idle_speaker_layers=True)
    preprocess = {"phone_extractor": "lexicon"}
    task = load(amphion(tmp_path / "vits_ljspeech", model, preprocess=preprocess, beside={}), device="cpu")
    phone = task.features.features["phone"]
    phone.lexicon = str(tmp_path / "lexicon.txt")
    tokens = phone(utterance("hello"))
    assert tokens.tolist() == published.characters("HH AH0 L OW1") and "@HH" not in tokens
    ids = phone.encode(tokens)
    assert ids.tolist() == [published.index(published.amphion())[t] for t in published.characters("HH AH0 L OW1")]
    says_the_same(task, model, ids.tolist())
    with pytest.raises(ValueError, match="one speaker"):
        task.model.convert(torch.rand(1, 5, 33), torch.tensor([0]), torch.tensor([0]))


def test_amphions_hifitts_has_its_own_symbols_blanks_and_named_speakers(tmp_path):
    speakers = {"hifitts_92": 0, "hifitts_6670": 2, "hifitts_9017": 1}
    beside = {"symbols.dict": SYMBOLS, "spk2id.json": json.dumps(speakers)}
    preprocess = {"phone_extractor": "espeak", "add_blank": True}
    model = small(n_speakers=3, n_vocab=512)
    task = load(amphion(tmp_path / "vits_hifitts", model, preprocess=preprocess, beside=beside), device="cpu")
    phone = task.features.features["phone"]
    assert phone.table == ["<pad>", "<bos>", "<eos>", ".", "<eps>", "_", "b", "h", "l", "oʊ", "ə", "ɛ"]
    ids = phone.encode(np.array(["<bos>", "h", "ə", "l", "oʊ", ".", "<eos>"]))
    assert ids.tolist() == [0, 1, 0, 7, 0, 10, 0, 8, 0, 9, 0, 3, 0, 2, 0]
    assert task.features.raw(utterance("hello."), ["phone"])["phone"].tolist()[0] == "<bos>"
    says_the_same(task, model, ids.tolist(), number=2)
    assert task.speaker_id("6670") == 2 and task.speaker_id("hifitts_9017") == 1
    with pytest.raises(ValueError, match="did you mean 'hifitts_9017'"):
        task("hello.", speaker="hifitts_901")


def test_what_an_amphion_folder_lacks_is_named(tmp_path):
    model = small(n_speakers=1, n_vocab=512)
    with pytest.raises(ValueError, match=r"symbols\.dict is missing"):
        load(amphion(tmp_path / "a", model, preprocess={"phone_extractor": "espeak"}, beside={}))
    with pytest.raises(ValueError, match="phone_extractor.*pypinyin"):
        load(amphion(tmp_path / "b", model, preprocess={"phone_extractor": "pypinyin"}, beside={}))


def test_a_table_of_one_speaker_is_two_equal_ones(tmp_path):
    model = small(n_speakers=2, n_vocab=512)
    model.emb_g.weight.data[1] = model.emb_g.weight.data[0]
    state = model.state_dict()
    cut = {**state, "emb_g.weight": state["emb_g.weight"][:1]}
    model.state_dict = lambda: cut  # what the file will hold
    folder = amphion(tmp_path / "one", model, preprocess={"phone_extractor": "lexicon"}, beside={})
    task = load(folder, device="cpu")
    del model.state_dict
    assert facts_of(task.model.state_dict())["n_speakers"] == 2
    says_the_same(task, model, [3, 4, 5])


# transformers

HUGGING = {
    "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 24, "flow_size": 8, "spectrogram_bins": 33,
    "speaker_embedding_size": 6, "upsample_initial_channel": 16, "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8],
    "resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 3], [1, 2]], "posterior_encoder_num_wavenet_layers": 3,
    "prior_encoder_num_flows": 2, "prior_encoder_num_wavenet_layers": 2, "duration_predictor_num_flows": 2,
    "depth_separable_num_layers": 2, "sampling_rate": 8000, "window_size": 3, "noise_scale": 0.0, "noise_scale_duration": 0.0,
}  # fmt: skip


def hugging(folder, **options):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: its VitsModel is the reference here")
    model = transformers.VitsModel(transformers.VitsConfig(**HUGGING | options)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    letters = [*"k'zyudhesw–3cp-1jmi flo0bra42", "<unk>"]  # the first letter is the blank too
    (folder / "vocab.json").write_text(json.dumps({c: i for i, c in enumerate(letters)}), encoding="utf-8")
    settings = {"add_blank": True, "normalize": True, "phonemize": False, "is_uroman": False, "language": "eng", "pad_token": "k"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "tokenizer_class": "VitsTokenizer"}))
    return transformers, model


@pytest.mark.parametrize("stochastic", [True, False])
@pytest.mark.parametrize("speakers", [1, 3])
def test_transformers_says_the_same(tmp_path, stochastic, speakers):
    sizes = {"num_speakers": speakers, "use_stochastic_duration_prediction": stochastic}
    sizes |= {"speaker_embedding_size": 0} if speakers == 1 else {}
    transformers, theirs = hugging(tmp_path, **sizes)
    task = load(tmp_path, device="cpu")
    text = "Hello, bold words"
    phone = task.features.features["phone"]
    ids = torch.from_numpy(phone.encode(phone(utterance(text))))[None]
    tokenizer = transformers.VitsTokenizer(str(tmp_path / "vocab.json"), pad_token="k", phonemize=False, language="eng")
    assert ids.tolist() == tokenizer(text, return_tensors="pt").input_ids.tolist()
    number = speakers - 1
    with torch.no_grad():
        wanted = theirs(input_ids=ids, speaker_id=number if speakers > 1 else None).waveform[0].numpy()
    ours = task.model.infer(ids, torch.tensor([number]), noise_scale=0, duration_noise=0)["audio"][0].numpy()
    assert ours.shape == wanted.shape and np.abs(wanted).max() > 1e-3
    np.testing.assert_allclose(ours, wanted, atol=1e-4)
    assert task.rate == 8000 and task.card["language"] == "en-us"
    with pytest.raises(ValueError, match="no letter"):
        task("ggg")


def test_what_no_published_transformers_voice_does_is_refused(tmp_path):
    hugging(tmp_path, num_speakers=1, wavenet_dilation_rate=2)
    with pytest.raises(ValueError, match="wavenet_dilation_rate is 2, not 1"):
        load(tmp_path)
    options = json.loads((tmp_path / "tokenizer_config.json").read_text())
    hugging(tmp_path, num_speakers=1)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(options | {"is_uroman": True, "language": "kor"}))
    with pytest.raises(ValueError, match="uroman"):
        load(tmp_path)
    (tmp_path / "vocab.json").unlink()
    with pytest.raises(ValueError, match=r"vocab\.json is missing"):
        load(tmp_path)


# Hi-Fi TTS


def hifitts(root):
    """A tree like the real one: manifests of two readers, one line without a recording, one recording without a line."""
    rows = {
        ("92", "clean", "train"): [("10425/a_0000", "five dogs"), ("10425/a_0001", "hello"), ("10426/a_0000", "goodbye")],
        ("92", "clean", "dev"): [("10425/a_0002", "a cat")],
        ("6670", "other", "test"): [("99/b_0000", "two cats"), ("99/b_0009", "nobody said this")],
    }
    for (reader, kind, part), lines in rows.items():
        made = []
        for name, text in lines:
            path = f"audio/{reader}_{kind}/{name}.flac"
            made.append({"audio_filepath": path, "duration": 0.3, "text": text.upper(), "text_normalized": text})
            if not name.endswith("9"):
                sound(root / path)
        path = root / f"{reader}_manifest_{kind}_{part}.json"
        path.write_text("\n".join(json.dumps(row) for row in made) + "\n")
    sound(root / "audio/92_clean/10425/stray.flac")
    good = {"92_clean_10425_a_0000": ("92", "five dogs"), "92_clean_10425_a_0001": ("92", "hello"), "92_clean_10426_a_0000": ("92", "goodbye")}
    good |= {"92_clean_10425_a_0002": ("92", "a cat"), "6670_other_99_b_0000": ("6670", "two cats")}
    return good, {"6670_other_99_b_0009", "92_clean_10425_stray"}


def sound(path):
    from tests.conftest import RATE, clip

    path.parent.mkdir(parents=True, exist_ok=True)
    return Audio(clip(0.3, 150, len(path.name)), RATE).write(path)


def test_hifitts_keeps_the_corpus_division(tmp_path):
    expected, strays = hifitts(tmp_path / "raw")
    report = prepare("hifitts", tmp_path / "raw", tmp_path / "data", needs_text=True, jobs=1)
    splits = {s: read_manifest(tmp_path / f"data/hifitts/{s}.jsonl") for s in ("train", "valid", "test")}
    assert {u.id: (u.speaker, u.text) for us in splits.values() for u in us} == expected
    assert {s: {u.text for u in us} for s, us in splits.items()} == {
        "train": {"five dogs", "hello", "goodbye"}, "valid": {"a cat"}, "test": {"two cats"},
    }  # fmt: skip
    assert {name for name, _ in report.skipped} == strays


def test_a_broken_manifest_is_named(tmp_path):
    (tmp_path / "92_manifest_clean_train.json").write_text('{"audio_filepath": "a.flac", "text": "x"}\n{"duration": 1}\n')
    with pytest.raises(ValueError, match=r"92_manifest_clean_train\.json:2 is no line"):
        prepare("hifitts", tmp_path, tmp_path / "data", jobs=1)
    with pytest.raises(ValueError, match="hifitts: .*holds no <reader>_manifest"):
        (tmp_path / "empty").mkdir()
        prepare("hifitts", tmp_path / "empty", tmp_path / "data", jobs=1)


def test_letters_are_learnt_from_the_corpus():
    phone = Phones(g2p="characters", symbols="letters")
    assert phone(utterance("A cab")).tolist() == list("a cab")
    phone.restore({"symbols": ["<pad>", " ", "a", "b", "c"]}, None)
    assert phone(utterance("A cab!")).tolist() == list("a cab"), "what the table lacks is not said"


assert SMALL["n_fft"] == 64  # what the folders above say of it
