"""What users do with a TTS model: long texts, mark-up, times, lists of texts; and what they get wrong. Random weights, all three models."""

import itertools
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bins.infer import _results_of, main
from bins.texts import read_list, write_stream
from models import load
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from models.base.watch import Watch
from models.tts.speech import FADE, Speech, fitted, joined
from preprocessors.base import Utterance
from processors.script import SENTENCE
from processors.sentences import LONGEST
from processors.text import Phones
from tests.conftest import ROOT
from tests.test_models import card_of
from tests.test_readme import blocks
from utils.audio import Audio, AudioError
from utils.textgrid import read_textgrid

NAMES = ["FastSpeech2", "VITS", "Jets"]
LETTERS = ["<pad>", "sil", *"_.,;:!?", *"abcdefghijklmnopqrstuvwxyz"]


def release(folder, name, table=LETTERS):
    """A model that reads letters, saved."""
    torch.manual_seed(0)
    card = card_of(name)
    card["preprocess"]["features"]["phone"] = {"g2p": "characters", "blanks": name == "VITS"}
    card["learned"] = {"phone": {"symbols": table}}
    card["facts"]["n_vocab"] = len(LETTERS)
    if name == "FastSpeech2":  # a band each is enough to hear which is which, and quick to turn into sound
        card["preprocess"]["features"]["mel"] = {"n_fft": 512, "win_size": 512, "n_mel": 80}
    model = build_model(card)
    if name != "VITS":  # untrained predictors say that every phone lasts no time at all
        predictor = model.variance_adaptor
        predictor = predictor.duration_predictor if name == "FastSpeech2" else predictor["duration_predictor"]
        torch.nn.init.constant_(predictor.linear_layer.bias, 1.5)
    save_release(folder / name, card, model.state_dict())
    return folder / name


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tts")
    return {name: release(folder, name) for name in NAMES}


@pytest.fixture(scope="module")
def tasks(releases):
    tasks = {name: load(path, device="cpu") for name, path in releases.items()}
    # Griffin-Lim on a random mel takes a second a sentence: here each frame becomes a hop of its mean, up and down.
    task, hop = tasks["FastSpeech2"], tasks["FastSpeech2"].features.hop_size
    task._vocode._ready[None] = lambda mel: Audio(np.tile([0.1, -0.1], hop * len(mel) // 2) * np.repeat(np.tanh(mel.mean(1)), hop), task.rate)
    return tasks


@pytest.fixture(params=NAMES)
def task(request, tasks):
    return tasks[request.param]


def drawn(task, **options):
    """Options under which the model always says the same."""
    return ({"seed": 1} if task.card["model_type"] == "VITS" else {}) | options


def straight(task, text, speaker=0, **controls):
    """What the model itself makes of a text, without the task: its durations and its sound."""
    phone = task.features.features["phone"]
    tokens = phone.own(text, "en-us")
    out = task.model.infer(torch.from_numpy(phone.encode(np.array(tokens)))[None], torch.tensor([speaker]), **controls)
    if "audio" in out:
        return tokens, out["duration"][0].numpy(), out["audio"][0].numpy()
    return tokens, out["duration"][0].numpy(), task._vocode(out["mel"][0].numpy(), None).samples


# Short and long


def test_one_sentence_is_exactly_what_the_model_says(task):
    _, _, expected = straight(task, "Hello there, you two.", 1, **drawn(task, speed=0.9))
    heard = task("Hello there, you two.", speaker="bob", **drawn(task, speed=0.9))
    assert heard.rate == task.rate and np.array_equal(heard.samples, expected) and len(expected)


def test_a_long_text_is_its_sentences_with_pauses_between_and_no_clicks(task):
    first, second = (straight(task, text, **drawn(task))[2] for text in ("Hello there.", "How are you?"))
    gap, n = round(SENTENCE * task.rate), round(FADE * task.rate)
    heard = task("Hello there. How are you?", **drawn(task)).samples
    assert len(heard) == len(first) + gap + len(second)
    assert np.array_equal(heard[: len(first) - n], first[:-n]) and np.array_equal(heard[len(first) + gap + n :], second[n:])
    assert not heard[len(first) : len(first) + gap].any()
    for edge in (len(first) - 1, len(first) + gap):
        assert abs(heard[edge]) < 1e-3 * max(np.abs(heard).max(), 1e-9), "a step would click"


TEXT = '[pause 0.1] One two. <p>Three [rate 0.5]four</p> five, <break time="200ms"/> six.\n\nSeven [symbols e _ i]! Nine.[pause 0.3]'


def test_a_stream_is_the_whole_in_pieces_and_starts_before_the_end(task, monkeypatch):
    whole = task(TEXT, **drawn(task))
    pieces = list(task.stream(TEXT, **drawn(task)))
    assert len(pieces) == 7 and np.array_equal(np.concatenate([p.samples for p in pieces]), whole.samples)
    assert np.array_equal(task.timed(TEXT, **drawn(task)).audio.samples, whole.samples)
    calls, utter = [], task._utter
    monkeypatch.setattr(task, "_utter", lambda *a: calls.append(1) or utter(*a))
    next(task.stream("One. Two. Three.", **drawn(task)))
    assert len(calls) == 1


def test_the_first_sound_of_a_text_without_end_comes_as_soon_and_errors_come_in_their_place(task):
    first = next(task.stream("One. " * 5, **drawn(task))).samples
    assert np.array_equal(next(task.stream(itertools.repeat("One. "), **drawn(task))).samples, first)
    heard = task.stream(iter(["One. Two ", "ñ. Three"]), **drawn(task))
    assert np.array_equal(next(heard).samples, first)
    with pytest.raises(ValueError, match="'ñ'.*It is in 'Two ñ.'"):
        next(heard)
    with pytest.raises(ValueError, match="unknown option"):
        task.stream(itertools.repeat("One. "), sped=2)


def test_sentences_end_as_the_language_says(tasks, monkeypatch):
    task, read = tasks["VITS"], []
    utter = task._utter
    monkeypatch.setattr(task, "_utter", lambda reading, *a: read.append("".join(reading.tokens)) or utter(reading, *a))
    task("Das gilt bzw. Das gilt nicht.", language="de")
    task("Das gilt bzw. Das gilt nicht.")
    assert len(read) == 3


def test_five_thousand_words_never_meet_the_model_at_once(tasks, monkeypatch):
    task = tasks["VITS"]
    random = np.random.default_rng(0)
    said = ["".join(random.choice(list("abcdefghij"), random.integers(1, 3))) for _ in range(5000)]
    marks = random.choice(["", ",", ".", "?"], 5000, p=[0.9, 0.05, 0.03, 0.02])
    marks[1000:1400] = ""  # a sentence of four hundred words
    text = " ".join(word + mark for word, mark in zip(said, marks, strict=True)).title()
    sizes, utter = [], task._utter
    monkeypatch.setattr(task, "_utter", lambda reading, *a: sizes.append(len(reading.ids)) or utter(reading, *a))
    samples = sum(len(piece.samples) for piece in task.stream(text, seed=0, duration_noise=0, speed=20))
    assert samples > 0 and len(sizes) > 100
    assert max(sizes) <= 2 * (LONGEST + 4) + 1, "every letter is a token with a blank, and the ends are silence"
    assert sum(sizes) > 2 * len("".join(said)), "nothing was lost"


# Mark-up


def test_rates_hold_for_their_tokens_and_multiply_with_speed(task, monkeypatch):
    vits = task.card["model_type"] == "VITS"
    options = drawn(task, **({"duration_noise": 0.0} if vits else {}))
    usual, twice, slow = (straight(task, "go there now.", **options | {"speed": s})[1] for s in (1.0, 0.5, 0.25))
    heard, utter = [], task._utter
    monkeypatch.setattr(task, "_utter", lambda reading, *rest: heard.append((reading, utter(reading, *rest))) or heard[-1][1])
    task('<prosody rate="50%">go there now.</prosody>', **options)
    assert np.array_equal(heard[-1][1]["duration"], twice)
    task('<prosody rate="50%">go there now.</prosody>', **options | {"speed": 2.0})
    assert np.array_equal(heard[-1][1]["duration"], usual)
    task("go [rate 0.25]there[/rate] now.", **options)
    reading, found = heard[-1][0], heard[-1][1]["duration"]
    part = reading.rates == 0.25
    assert "".join(reading.tokens[part]) == "there_"  # the boundary goes with what is before it
    if vits:  # so do blanks
        part = np.insert(np.repeat(part, 2), 0, False)
    assert np.array_equal(found[part], slow[part]) and np.array_equal(found[~part], usual[~part])
    assert slow[part].sum() > 2 * usual[part].sum()


def test_a_pause_lasts_what_it_should(task):
    plain = task("One. [pause 0] Two.", **drawn(task)).samples
    for seconds in (0.25, 1.0):
        longer = task(f'One. <break time="{seconds}s"/> Two.', **drawn(task)).samples
        assert len(longer) - len(plain) == round(seconds * task.rate)
    lead = task("[pause 0.5] One.", **drawn(task)).samples
    assert not lead[: round(0.5 * task.rate)].any() and lead[round(0.5 * task.rate) :].any()


# Times


def test_times_are_those_of_the_durations(task, tmp_path):
    tokens, duration, sound = straight(task, "Hello there, you two.", **drawn(task))
    speech = task.timed("Hello there, you two.", **drawn(task))
    frame = task.features.hop_size / task.rate
    if len(duration) != len(tokens):  # a blank belongs to the token before
        duration = np.append(duration[0], duration[1::2] + duration[2::2])
    ends = np.cumsum(duration) * frame
    assert [end for _, _, end in speech.phones] == pytest.approx(ends.tolist())
    assert "".join(label for label, _, _ in speech.phones) == "hellothereyoutwo"
    assert [word for word, _, _ in speech.words] == ["Hello", "there", "you", "two"]
    spoken = [row for row in speech.phones if row[0]]
    assert speech.words[1][1:] == (spoken[5][1], spoken[9][2])
    assert speech.lines == [("Hello there, you two.", spoken[0][1], spoken[-1][2])]
    assert speech.phones[-1][2] == pytest.approx(len(sound) / task.rate)


def test_times_of_a_long_text_are_where_its_sentences_are(task, tmp_path):
    speech = task.timed("Hello there. [pause 0.5] How are you?", **drawn(task))
    alone = task.timed("How are you?", **drawn(task))
    begin = speech.audio.seconds - alone.audio.seconds
    assert [line[0] for line in speech.lines] == ["Hello there.", "How are you?"]
    assert [w[1] for w in speech.words[2:]] == pytest.approx([w[1] + begin for w in alone.words])
    assert all(a <= b for _, a, b in speech.phones)
    assert speech.phones == sorted(speech.phones, key=lambda row: row[1])
    for tier, rows in (("words", speech.words), ("lines", speech.lines)):
        found = [row for row in read_textgrid(speech.write_textgrid(tmp_path / "a.TextGrid"), tier) if row[0]]
        assert [row[0] for row in found] == [row[0] for row in rows if row[2] > row[1]]
        assert [row[1] for row in found] == pytest.approx([row[1] for row in rows if row[2] > row[1]], abs=1e-6)
    assert speech.write_srt(tmp_path / "a.srt").read_text().count("-->") == 2
    assert speech.write_srt(tmp_path / "b.srt", "words").read_text().count("-->") == 5


def test_joining_by_hand():
    one = Speech(Audio(np.ones(100, np.float32), 1000), [("a", 0.0, 0.1)], [("a", 0.0, 0.1)], [("a", 0.0, 0.1)])
    both = joined([one, one])
    assert both.words == [("a", 0.0, 0.1), ("a", 0.1, 0.2)] and len(both.audio.samples) == 200
    alone = fitted(one.audio, 0.0, first=True, last=True)
    assert np.array_equal(alone.samples, one.audio.samples)
    inner = fitted(one.audio, 0.01, first=False, last=False).samples
    assert len(inner) == 110 and inner[0] < 0.05 and inner[99] < 0.05 and not inner[100:].any() and (inner[5:95] == 1).all()
    assert len(fitted(Audio(np.ones(1, np.float32), 1000), 0.0, first=False, last=False).samples) == 1


# Languages


def test_a_text_is_read_in_the_language_that_is_named_and_an_utterance_in_its_own(task, monkeypatch):
    read, utter = [], task._utter
    monkeypatch.setattr(task, "_utter", lambda reading, *a: read.append("".join(reading.tokens)) or utter(reading, *a))
    task("Dr. No")
    task("Dr. No", language="de")
    task.sample(Utterance(id="a", text="Dr. No"))
    task.sample(Utterance(id="a", text="Dr. No", language="de"))
    assert read == ["sildoctor_nosil", "sildr.nosil"] * 2
    assert [word for word, _, _ in task.timed("Dr. No", language="de").words] == ["Dr", "No"]


def test_a_front_end_of_one_language_refuses_others():
    for settings, alone in (({"language": "fr"}, "fr"), ({"symbols": "vits"}, "en-us"), ({"g2p": "pinyin"}, "cmn")):
        phone = Phones(**settings)
        phone.check_language(alone)
        with pytest.raises(ValueError, match=f"language: this model reads '{alone}' alone, leave 'de' out"):
            phone.check_language("de")
    Phones().check_language("de")


# What users get wrong


def test_a_sample_that_cannot_be_said_is_named_and_training_goes_on(task, caplog):
    watch, drawn = Watch.__new__(Watch), []
    watch.writer = SimpleNamespace(add_audio=lambda tag, *a, **k: drawn.append(tag), add_image=lambda *a, **k: None)
    watch.sample(task, [Utterance(id=i, text=text) for i, text in (("a", "ñ"), ("b", "go"))], 1, recorded=False)
    assert drawn == ["sample/b"] and "no sample/a: phone:" in caplog.text and "never saw 'ñ'" in caplog.text


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "the text is empty"),
        ("  \n ", {}, "the text is empty"),
        (None, {}, "text must be a text, got None"),
        ("<speak></speak>", {}, "the text is empty"),
        ("?!", {}, "nothing that can be spoken"),
        ("hello ñandú", {}, "never saw.*'ñ'"),
        ("Fine here. And a ñ there. Fine again.", {}, "'ñ'.*It is in 'And a ñ there.'"),
        ("hello <prosody rate='slow'>there", {}, "character 7 .*<prosody> is never closed"),
        ("hello [ipa həˈloʊ]", {}, "reads letters"),
        ("hello", {"speaker": "anna"}, "did you mean 'made_ann'"),
        ("hello", {"speed": 0}, "speed must be above 0"),
        ("hello", {"speed": float("nan")}, "speed must be above 0"),
        ("hello", {"speed": -1.0}, "speed must be above 0"),
    ],
)  # fmt: skip
def test_wrong_input_is_named_before_a_sound_is_made(task, monkeypatch, text, options, message):
    for way in (task, task.timed, lambda *a, **k: list(task.stream(*a, **k))):
        with pytest.raises(ValueError, match=message):
            way(text, **options)


def test_an_error_at_the_end_is_found_at_the_start(task, monkeypatch):
    monkeypatch.setattr(task, "_utter", lambda *a: pytest.fail("spoke before it had read"))
    with pytest.raises(ValueError, match="ñ"):
        task("One. Two. Three ñ.")


def test_options_that_there_are_not(task):
    for way in (task.timed, lambda *a, **k: list(task.stream(*a, **k))):
        with pytest.raises(ValueError, match="unknown option 'sped', did you mean 'speed'"):
            way("hello", sped=2)


def test_a_card_without_symbols(tmp_path):
    path = release(tmp_path, "VITS", table=[])
    with pytest.raises(ValueError, match="card has no symbols"):
        load(path, device="cpu")("hello")


# The program


def infer(path, out, *words):
    return main(["--checkpoint", str(path), "--out", str(out), "--seed", "1", *words])


def test_a_list_with_bad_lines_loses_nothing(releases, tasks, tmp_path, capsys):
    lines = [b"hello there", b"", b"a1|go now", b"b/b2.wav|bob|go now. or not.", b"c3|anna|go", b"d4|", b"a1|again", b"../e5|go"]
    lines += [b"\xff\xfe", b"f6|a|b|c", b"this one | that one", b"g7|hello <s>there"]
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    assert infer(releases["VITS"], tmp_path / "out", "--list", str(tmp_path / "list.txt")) == 0
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.wav")}
    assert found == {"0000.wav", "a1.wav", "b/b2.wav", "0009.wav"}
    told = capsys.readouterr().err
    for reason in (
        "c3 ('go'): unknown speaker 'anna'", "line 6 ('d4|'): no text", "line 7 ('a1|again'): the id 'a1' was there before",
        "line 8 ('../e5|go'): the id '../e5' cannot be", "line 9", "not in UTF-8", "line 10 ('f6|a|b|c'): 4 fields",
        "g7 ('hello <s>there'): mark-up, character 7",
    ):  # fmt: skip
        assert reason in told, reason
    bob = tasks["VITS"]("go now. or not.", speaker="bob", seed=1)
    np.testing.assert_allclose(Audio.read(tmp_path / "out/b/b2.wav").samples, bob.samples, atol=1e-4)


def test_a_list_without_a_good_line(releases, tmp_path):
    (tmp_path / "list.txt").write_text("a|\n|b\n")
    with pytest.raises(ValueError, match="holds no text.\n  line 1 .*\n  line 2 .*no id"):
        read_list(tmp_path / "list.txt")
    with pytest.raises(ValueError, match="--list: no file"):
        infer(releases["VITS"], tmp_path, "--list", str(tmp_path / "none.txt"))


def test_a_text_file_streamed_is_the_same_and_tells_how_soon(releases, tmp_path, caplog):
    (tmp_path / "book.txt").write_text("Hello there. How are you?\n\nFine. [pause 0.2] Go.", encoding="utf-8")
    for out, more in (("whole", []), ("streamed", ["--stream"])):
        assert infer(releases["Jets"], tmp_path / out, "--text-file", str(tmp_path / "book.txt"), *more) == 0
    whole, streamed = (Audio.read(tmp_path / side / "book.wav") for side in ("whole", "streamed"))
    assert np.array_equal(whole.samples, streamed.samples) and whole.seconds > 0.5
    with pytest.raises(ValueError, match="no file"):
        infer(releases["Jets"], tmp_path, "--text-file", "none.txt")


def test_what_was_said_before_an_error_in_a_book_is_kept(releases, tasks, tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("Hello there. How are you? And a ñ.", encoding="utf-8")
    with pytest.raises(ValueError, match=r"'ñ'.* What was said before it is in .*book\.partial\.wav"):
        infer(releases["VITS"], tmp_path / "out", "--text-file", str(book), "--stream")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["book.partial.wav"]
    whole = tasks["VITS"]("Hello there. How are you? And a n.", seed=1)
    kept = Audio.read(tmp_path / "out/book.partial.wav")
    np.testing.assert_allclose(kept.samples, whole.samples[: len(kept.samples)], atol=1e-4)
    assert kept.seconds > 0.3
    with pytest.raises(ValueError, match="'ñ'"):
        infer(releases["VITS"], tmp_path / "whole", "--text-file", str(book))
    assert not (tmp_path / "whole").exists()


def test_a_wav_has_room_for_so_much(tmp_path, monkeypatch):
    monkeypatch.setattr("bins.texts.LONGEST_WAV", 20)
    with pytest.raises(ValueError, match=r"a WAV file holds .* hours .*partial\.wav"):
        write_stream([Audio(np.zeros(8, np.float32), 8000)] * 9, tmp_path / "a.wav")
    assert len(Audio.read(tmp_path / "a.partial.wav").samples) == 16


def test_subtitles_and_textgrids_beside_the_sound_and_resuming(releases, tmp_path):
    words = ["--text", "Hello there. How are you?", "--srt", "words", "--textgrid"]
    assert infer(releases["VITS"], tmp_path, *words) == 0
    assert (tmp_path / "0000.srt").read_text().count("-->") == 5
    assert [w for w, _, _ in read_textgrid(tmp_path / "0000.TextGrid", "words") if w] == ["Hello", "there", "How", "are", "you"]
    (tmp_path / "0000.wav").write_bytes(b"mine")
    assert infer(releases["VITS"], tmp_path, *words, "--resume") == 0
    assert (tmp_path / "0000.wav").read_bytes() == b"mine"
    assert infer(releases["VITS"], tmp_path, *words) == 0  # another text is another file
    assert (tmp_path / "0000.wav").read_bytes() == b"mine" and (tmp_path / "0001.wav").is_file()
    assert infer(releases["VITS"], tmp_path, *words, "--overwrite") == 0
    assert (tmp_path / "0000.wav").read_bytes() != b"mine" and not (tmp_path / "0002.wav").exists()


def test_nothing_takes_the_place_of_a_result_unasked(releases, tmp_path, monkeypatch):
    (tmp_path / "list.txt").write_text("a|hello\nb|go\n")
    words = ["--list", str(tmp_path / "list.txt")]
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.wav").write_bytes(b"mine")
    with pytest.raises(ValueError, match="1 of 2 results are there already, the first in .*b.wav: --resume .*--overwrite .*--out"):
        infer(releases["VITS"], tmp_path / "out", *words)
    assert infer(releases["VITS"], tmp_path / "out", *words, "--resume") == 0
    assert (tmp_path / "out/b.wav").read_bytes() == b"mine" and (tmp_path / "out/a.wav").is_file()
    assert infer(releases["VITS"], tmp_path / "out", *words, "--overwrite") == 0
    assert (tmp_path / "out/b.wav").read_bytes() != b"mine"
    monkeypatch.chdir(tmp_path)
    assert main(["--checkpoint", str(releases["VITS"]), "--text", "hello"]) == 0
    assert (tmp_path / "results" / releases["VITS"].name / "0000.wav").is_file()


def test_results_of_a_run_go_into_it(tmp_path):
    (tmp_path / "ex1/checkpoint/step-00000001").mkdir(parents=True)
    (tmp_path / "ex1/config.json").touch()
    for path in ("ex1", "ex1/checkpoint", "ex1/checkpoint/step-00000001"):
        assert _results_of(tmp_path / path) == tmp_path / "ex1/result"
    (tmp_path / "voice.v2").mkdir()
    (tmp_path / "g_0001.pth").touch()
    found = [_results_of(path) for path in (tmp_path / "voice.v2", tmp_path / "g_0001.pth", "owner/vits.v1")]
    assert found == [Path("results/voice.v2"), Path("results/g_0001"), Path("results/vits.v1")]


def test_options_that_do_not_go_together(releases, tmp_path):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    Audio(np.full(800, 0.1, np.float32), 8000).write(sounds / "a.wav")
    for words, message in (
        (["--text", "a", "--srt", "--stream"], "--srt: times are known when all is said"),
        (["--folder", str(sounds), "--textgrid"], "--textgrid: needs a TTS model that tells how long its phones last, and --text"),
        (["--folder", str(sounds), "--stream"], "--stream: needs a vocoder"),
    ):
        with pytest.raises(ValueError, match=message):
            infer(releases["VITS"], tmp_path, *words)


def test_a_stream_of_nonsense_is_not_written(tmp_path):
    bad = Audio(np.array([np.nan], np.float32), 8000)
    with pytest.raises(AudioError, match="NaN"):
        write_stream([Audio(np.zeros(8, np.float32), 8000), bad], tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["FastSpeech2", "VITS"])
def test_compiled_says_the_same(tasks, name):
    import torch._inductor.config as inductor

    task = tasks[name]
    plain = task("go now. or not.", **drawn(task))
    with inductor.patch(compile_threads=1):  # a pool of processes costs more than it saves here
        compiled = task("go now. or not.", compile=True, **drawn(task))
    np.testing.assert_allclose(compiled.samples, plain.samples, atol=1e-4)


def test_python_of_the_page_runs(releases, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(releases["VITS"], tmp_path / "ckpts/tts/ljspeech")
    found = blocks(ROOT / "egs/tts/README.md", "python")
    assert found
    for block in found:
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102
    assert {p.name for p in tmp_path.iterdir()} >= {"hello.wav", "slower.wav", "two.wav", "two.srt", "two.TextGrid"}
    assert "('One', " in capsys.readouterr().out
