"""Durations: TextGrids both ways, the matching of tokens and labels, and the aligner against known boundaries."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from preprocessors.base import Utterance
from processors import aligner, hmm, loops
from processors.aligner import RATE, Aligner
from processors.duration import Durations, alignment_path, word_times
from processors.text import textgrid_tokens
from tests.conftest import SHARED
from utils.audio import Audio
from utils.files import read_json
from utils.textgrid import read_textgrid, write_srt, write_textgrid

SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
2
"IntervalTier"
"anna - words"
0
1.5
1
0
1.5
"say ""hi"""
"IntervalTier"
"anna - Phones"
0
1.5
4
0
0.25
"sil"
0.25
0.75
"h"
0.75
1.25
"a""ɪ"
1.25
1.5
"spn"
'''


def test_short_format_quotes_and_speaker_tiers(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(SHORT, encoding="utf-8")
    assert read_textgrid(path) == [("", 0.0, 0.25), ("h", 0.25, 0.75), ('a"ɪ', 0.75, 1.25), ("spn", 1.25, 1.5)]
    assert read_textgrid(path, "word") == [('say "hi"', 0.0, 1.5)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_round_trip_fills_gaps_with_silence(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "deep" / "a.TextGrid"
    phones = [("", 0.0, 0.1), ('"', 0.1, 0.2), ("tʃ", 0.25, 0.4), ("item [1]:", 0.4, 0.5), ("", 0.5, 0.9)]
    write_textgrid(path, {"words": [("1", 0.1, 0.4)], "phones": phones})
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert read_textgrid(path) == phones[:2] + [("", 0.2, 0.25)] + phones[2:]
    assert read_textgrid(path, "words") == [("", 0.0, 0.1), ("1", 0.1, 0.4), ("", 0.4, 0.9)]
    assert _read_by_praat(path, 2) == read_textgrid(path)


def _read_by_praat(path: Path, tier: int) -> list[tuple[str, float, float]]:
    parselmouth = pytest.importorskip("parselmouth")
    grid, call = parselmouth.read(str(path)), parselmouth.praat.call
    asked = ("Get label of interval", "Get start time of interval", "Get end time of interval")
    return [tuple(call(grid, a, tier, i + 1) for a in asked) for i in range(call(grid, "Get number of intervals", tier))]


def test_points_are_passed_over_and_no_intervals_is_an_empty_list(tmp_path: Path) -> None:
    head, words = SHORT.split('"IntervalTier"')[0], SHORT[SHORT.index('"IntervalTier"') :]
    path = tmp_path / "a.TextGrid"
    points = '"TextTier"\n"events"\n0\n1.5\n1\n0.5\n"click 3 times"\n'
    path.write_text(head.replace("\n2\n", "\n4\n") + points + words + '"IntervalTier"\n"empty"\n0\n1.5\n0\n')
    assert len(read_textgrid(path)) == 4
    assert read_textgrid(path, "empty") == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    with pytest.raises(ValueError, match="no TextGrid .*aligner"):
        read_textgrid(path)
    path.write_text("hello")
    with pytest.raises(ValueError, match="a.TextGrid is not a TextGrid"):
        read_textgrid(path)
    write_textgrid(path, {"words": [("a", 0.0, 1.0)]})
    with pytest.raises(ValueError, match="no interval tier 'phones'; it has .'words'"):
        read_textgrid(path)


def test_srt(tmp_path: Path) -> None:
    words = [("", 0.0, 0.5), ("Hello", 0.5, 1.25), ("you", 3661.0, 3661.5)]
    text = write_srt(tmp_path / "a.srt", words).read_text(encoding="utf-8")
    assert text == "1\n00:00:00,500 --> 00:00:01,250\nHello\n\n2\n01:01:01,000 --> 01:01:01,500\nyou\n"


TOKENS = ["sil", "h", "aʊ", "_", "n", "aʊ", "?", "sil"]


def _grid(tmp_path: Path, labels: list[str], step: float = 0.1) -> str:
    rows = [(label, i * step, (i + 1) * step) for i, label in enumerate(labels)]
    return str(write_textgrid(tmp_path / "u.TextGrid", {"phones": rows}))


def _frames(grid: str, tokens: list[str], seconds: float, **settings) -> list[int]:
    durations = Durations(sample_rate=1000, hop_size=10, **settings)
    utterance = Utterance("u", textgrid=grid)
    return durations(utterance, Audio(np.zeros(round(seconds * 1000)), 1000), np.array(tokens)).tolist()


@pytest.mark.parametrize(
    ("labels", "tokens", "seconds", "expected"),
    [
        (["", "h", "aʊ", "n", "aʊ", ""], TOKENS, 0.6, [10, 10, 10, 0, 10, 10, 10, 0]),  # a pause only where one is
        (["h", "aʊ", "", "n", "aʊ"], TOKENS, 0.5, [0, 10, 10, 10, 10, 10, 0, 0]),  # no silence at the ends
        (["h", "", "aʊ", "n", "aʊ"], TOKENS, 0.5, [0, 20, 10, 0, 10, 10, 0, 0]),  # within a word: the phone before it
        (["", "h", "aʊ"], ["h", "aʊ"], 0.3, [20, 10]),  # no pause token at all
        (["", "", "h", "sp", "", "aʊ", ""], ["sil", "h", "_", ",", "aʊ", "sil"], 0.7, [20, 10, 20, 0, 10, 10]),
        (["", "h", "aʊ"], ["sil", "h", "aʊ", "sil"], 0.345, [10, 10, 10, 4]),  # the last takes what the audio has more
        (["", "h", "aʊ", ""], ["sil", "h", "aʊ", "sil"], 0.35, [10, 10, 10, 5]),  # and gives what it has less
        (["", "@HH", "AW1"], ["sil", "@HH", "AW", "sil"], 0.3, [10, 10, 10, 0]),  # stress on one side only
    ],
)
def test_silences_go_to_the_pause_tokens_of_their_place(tmp_path: Path, labels, tokens, seconds, expected) -> None:
    assert _frames(_grid(tmp_path, labels), tokens, seconds) == expected


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.44, 4.0])
def test_a_sound_of_another_length_than_its_textgrid_is_refused_with_both(tmp_path: Path, seconds: float) -> None:
    grid = _grid(tmp_path, ["", "h", "aʊ", ""])
    with pytest.raises(ValueError, match=f"TextGrid is 0.40 s long, its sound {seconds:.2f} s") if seconds != 0.44 else nullcontext():
        _frames(grid, ["sil", "h", "aʊ", "sil"], seconds)


def test_a_textgrid_without_its_last_silence_still_says_how_long_the_sound_is(tmp_path: Path) -> None:
    grid = Path(_grid(tmp_path, ["", "h", "aʊ"]))
    grid.write_text(grid.read_text().replace("xmax = 0.3\n        intervals", "xmax = 0.6\n        intervals"))
    assert _frames(str(grid), ["sil", "h", "aʊ", "sil"], 0.6) == [10, 10, 10, 30]


@pytest.mark.parametrize("label", ["spn", "<unk>", "SPN"])
def test_an_unknown_word_is_a_sound_of_its_own_and_no_silence(tmp_path: Path, label: str) -> None:
    grid = _grid(tmp_path, ["", "h", "aʊ", label, "n", ""])
    tokens = textgrid_tokens(grid)
    assert tokens == ["sil", "h", "aʊ", "spn", "n", "sil"]
    assert _frames(grid, tokens, 0.6) == [10] * 6
    with pytest.raises(ValueError, match="the TextGrid 'spn n'.*an unknown word"):
        _frames(grid, ["sil", "h", "aʊ", "m", "n", "sil"], 0.6)


@pytest.mark.parametrize("tier", ["words", "phones"])
def test_a_tier_that_holds_more_than_its_size_says_is_named(tmp_path: Path, tier: str) -> None:
    rows = [(name, i / 10, (i + 1) / 10) for i, name in enumerate("abcd")]
    path = write_textgrid(tmp_path / "u.TextGrid", {"words": rows, "phones": rows})
    head, tail = path.read_text().split(f'name = "{tier}"')
    path.write_text(f'{head}name = "{tier}"' + tail.replace("size = 4", "size = 2", 1))
    with pytest.raises(ValueError, match=f"u.TextGrid: its tier '{tier}' holds more intervals than its size says"):
        read_textgrid(path)


@pytest.mark.parametrize("wrong", ["1e999", "1e15", "-3", "0.5"])
def test_an_impossible_size_is_no_traceback(tmp_path: Path, wrong: str) -> None:
    path = Path(_grid(tmp_path, ["", "h", "aʊ", ""]))
    path.write_text(path.read_text().replace("intervals: size = 4", f"intervals: size = {wrong}"))
    with pytest.raises(ValueError, match="u.TextGrid"):
        read_textgrid(path)


@pytest.mark.parametrize(("old", "new"), [("xmax = 0.2", "xmax = 0.05"), ("xmin = 0.2", "xmin = 0.02"), ("xmin = 0.1", "xmin = -7")])
def test_times_that_run_backwards_are_named(tmp_path: Path, old: str, new: str) -> None:
    path = Path(_grid(tmp_path, ["", "h", "aʊ", ""]))
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match="u.TextGrid: interval [23] of the tier 'phones'.*mend it in Praat"):
        read_textgrid(path)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_never_loses_a_frame(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.2, 30))
    rows = [(f"p{i}", float(a), float(b)) for i, (a, b) in enumerate(zip([0.0, *times[:-1]], times, strict=True))]
    grid = write_textgrid(tmp_path / "u.TextGrid", {"phones": rows})
    samples = round(times[-1] * 22050)
    durations = Durations(sample_rate=22050, hop_size=256)
    audio = Audio(np.zeros(samples), 22050)
    frames = durations(Utterance("u", textgrid=str(grid)), audio, np.array(["sil", *(row[0] for row in rows), "sil"]))
    assert frames.dtype == np.int32
    assert frames.sum() == samples // 256
    ends = np.cumsum(frames)[1:-1] * 256 / 22050
    assert np.abs(ends - times).max() <= 256 / 22050


@pytest.mark.parametrize(
    ("padding", "boundary", "expected"),
    [("same", 10.3, [10, 10]), ("same", 10.6, [11, 9]), ("center", 10.3, [11, 10]), ("center", 10.6, [11, 10]), ("center", 9.9, [10, 11])],
)
def test_a_token_has_the_frames_whose_centres_lie_in_it(tmp_path: Path, padding: str, boundary: float, expected: list[int]) -> None:
    hop, rate = 256, 22050
    rows = [("a", 0.0, boundary * hop / rate), ("b", boundary * hop / rate, 20 * hop / rate)]
    grid = write_textgrid(tmp_path / "u.TextGrid", {"phones": rows})
    durations = Durations(sample_rate=rate, hop_size=hop, frame_padding=padding)
    frames = durations(Utterance("u", textgrid=str(grid)), Audio(np.zeros(20 * hop), rate), np.array(["a", "b"]))
    assert frames.tolist() == expected


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["", "h", "ə", "n", "aʊ"], "phone 2, after h: the text says 'aʊ n aʊ', the TextGrid 'ə n aʊ'"),
        (["", "h", "aʊ", "n"], "phone 4, after h aʊ n: the text says 'aʊ', the TextGrid 'the end'"),
        (["h", "aʊ", "n", "aʊ", "t"], "phone 5, after h aʊ n aʊ: the text says 'the end', the TextGrid 't'"),
        (["", ""], "phone 1, after the start"),
    ],
)
def test_other_phones_are_refused_at_the_first_difference(tmp_path: Path, labels: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        _frames(_grid(tmp_path, labels), TOKENS, 0.6)
    assert 'phone.source to "textgrid"' in str(raised.value)
    assert 'duration.source to "aligner"' in str(raised.value)


def test_without_times_the_message_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="no TextGrid: .*aligner"):
        _frames("", TOKENS, 0.6, source="textgrid")
    with pytest.raises(ValueError, match="run the extract stage first"):
        _frames("", TOKENS, 0.6)


def test_words_take_the_names_of_the_text_where_they_are_as_many() -> None:
    times = [(token, float(i), float(i + 1)) for i, token in enumerate(TOKENS)]
    assert word_times(times, "How - now?") == [("How", 1.0, 3.0), ("now", 4.0, 6.0)]
    assert word_times(times, "Howdy") == [("haʊ", 1.0, 3.0), ("naʊ", 4.0, 6.0)]


SOUNDS = {"a": (300, 700), "e": (500, 2200), "o": (350, 900), "m": (200, 250), "s": (5000, 7500), "ʃ": (2500, 4000), "n": (250, 1500)}


def _sound(name: str, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Noise in two bands that tell one "phone" from another."""
    noise = np.fft.rfft(rng.standard_normal(round(seconds * RATE)))
    frequency = np.linspace(0, RATE / 2, len(noise))
    gain = sum(np.exp(-0.5 * ((frequency - centre) / (0.15 * centre + 30)) ** 2) for centre in SOUNDS[name])
    out = np.fft.irfft(noise * gain, round(seconds * RATE))
    return 0.1 * out / out.std()


def _utterance(folder: Path, number: int, rng: np.random.Generator) -> tuple[Utterance, list[str], list[float]]:
    """Four words of three phones in random order, pauses after some; the utterance, its tokens, and where each token ends."""
    tokens, pieces = ["sil"], [np.zeros(round(rng.uniform(0.1, 0.3) * RATE))]
    for _ in range(4):
        for name in rng.choice(list(SOUNDS), 3, replace=False):
            tokens.append(str(name))
            pieces.append(_sound(name, rng.uniform(0.05, 0.2), rng))
        tokens.append("_")
        pieces.append(np.zeros(round(rng.uniform(0.1, 0.3) * RATE) if rng.random() < 0.3 else 0))
    tokens[-1], pieces[-1] = "sil", np.zeros(round(0.1 * RATE))
    samples = np.concatenate(pieces)
    audio = Audio(samples + 1e-3 * rng.standard_normal(len(samples)), RATE)
    path = audio.write(folder / f"u{number:02d}.wav")
    ends = np.cumsum([len(piece) for piece in pieces]) / RATE
    return Utterance(f"u{number:02d}", "noises", audio=str(path), seconds=audio.seconds, text="a b c d"), tokens, ends.tolist()


class FixedTokens:
    """Stands for a FeatureSet whose tokens are given."""

    def __init__(self, tokens: dict[str, list[str]]) -> None:
        self.tokens = tokens

    def raw(self, utterance: Utterance, names: list[str]) -> dict[str, np.ndarray]:
        return {"phone": np.array(self.tokens[utterance.id])}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Thirty utterances aligned by `fit`, two of them with a wrong text: u05 says other words, u06 far too many."""
    folder, rng = tmp_path_factory.mktemp("noises"), np.random.default_rng(0)
    made = [_utterance(folder, i, rng) for i in range(30)]
    tokens = {u.id: t for u, t, _ in made}
    tokens["u05"], tokens["u06"] = tokens["u07"], ["sil", *tokens["u06"][1:-1] * 20, "sil"]
    durations = Durations(sample_rate=RATE, hop_size=160)
    utterances, features = [u for u, _, _ in made], FixedTokens(tokens)
    learned = durations.fit(utterances, features, folder / "out", jobs=1, cluster="")
    durations.restore(learned, folder / "out")
    return durations, utterances, features, learned, {u.id: ends for u, _, ends in made}


def test_the_aligner_finds_known_boundaries(corpus) -> None:
    durations, utterances, features, _, truth = corpus
    errors = []
    for utterance in utterances:
        if utterance.id in ("u05", "u06"):
            continue
        tokens = features.tokens[utterance.id]
        audio = utterance.read(RATE)
        frames = durations(utterance, audio, np.array(tokens))
        assert frames.sum() == len(audio.samples) // 160
        found = read_json(alignment_path(durations.folder, utterance))["ends"]
        errors += np.abs(np.array(found) - truth[utterance.id]).tolist()
    assert np.median(errors) < 0.010
    assert np.mean(np.array(errors) < 0.020) > 0.9


def test_wrong_texts_are_distrusted_with_a_reason(corpus) -> None:
    durations, utterances, _, learned, _ = corpus
    listed = read_json(durations.folder / "distrusted-noises.json")
    assert list(listed)[:2] == ["noises/u06", "noises/u05"]
    assert len(listed) <= 3
    assert "too short for" in listed["noises/u06"]
    assert "fits its text poorly" in listed["noises/u05"]
    assert learned["failed"] == 1
    with pytest.raises(ValueError, match="too short for"):
        durations(utterances[6], utterances[6].read(RATE), np.array(["sil", *list("aeo") * 200, "sil"]))


def test_alignments_come_as_textgrid_and_subtitles_too(corpus) -> None:
    durations, utterances, features, *_ = corpus
    base = durations.folder / "TextGrid/noises/u00.TextGrid"
    spoken = [token for token in features.tokens["u00"] if token in SOUNDS]
    assert [label for label, _, _ in read_textgrid(base) if label] == spoken
    assert [label for label, _, _ in read_textgrid(base, "words") if label] == ["a", "b", "c", "d"]
    assert (durations.folder / "srt/noises/u00.srt").read_text().count("-->") == 4


def test_what_is_aligned_is_not_aligned_again(corpus) -> None:
    durations, utterances, features, learned, _ = corpus
    kept, lost = (alignment_path(durations.folder, utterances[i]) for i in (0, 1))
    before, aligner = kept.stat().st_mtime_ns, (durations.folder / learned["aligner"]).stat().st_mtime_ns
    content = lost.read_text()
    lost.unlink()
    assert durations.fit(utterances, features, durations.folder, jobs=1, cluster="") == learned
    assert kept.stat().st_mtime_ns == before
    assert (durations.folder / learned["aligner"]).stat().st_mtime_ns == aligner
    assert lost.read_text() == content


@pytest.mark.parametrize("damage", [None, "{", "[]", "null", '{"of": 3}', '{"ends": [1.0]}'])
def test_other_tokens_than_were_aligned_or_a_damaged_alignment_are_aligned_anew(corpus, damage) -> None:
    durations, utterances, features, *_ = corpus
    row, path = utterances[9], alignment_path(durations.folder, utterances[9])
    audio, tokens = row.read(RATE), features.tokens["u09"]
    before = durations(row, audio, np.array(tokens)).tolist()
    if damage is None:
        for others in (["sil", "a", "sil"], [*tokens[:1], tokens[2], tokens[1], *tokens[3:]]):
            assert len(durations(row, audio, np.array(others))) == len(others)
            assert read_json(path)["tokens"] == others
    else:
        path.write_text(damage)
    assert durations(row, audio, np.array(tokens)).tolist() == before
    assert read_json(path)["tokens"] == tokens


def test_a_damaged_aligner_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="x.safetensors is damaged"):
        Aligner.load(tmp_path / "x.safetensors")


def _all_paths(chain, frames: int) -> list[tuple[int, ...]]:
    """Every way through the chain, by brute force: it starts and ends at or beside an optional pause."""
    n = len(chain.units)
    starts = {0, chain.first}
    ends = {n - 1, n - 1 - chain.last}
    paths = [(s,) for s in starts]
    for _ in range(frames - 1):
        paths = [(*p, s) for p in paths for s in range(n) if s == p[-1] or s == p[-1] + 1 or chain.jump[s] == p[-1]]
    return [p for p in paths if p[-1] in ends]


def test_viterbi_and_baum_welch_equal_brute_force(monkeypatch) -> None:
    monkeypatch.setattr(hmm, "PAUSE_STATES", 2)
    monkeypatch.setattr(hmm, "PHONE_STATES", 1)
    chain = hmm.chain_of(["sil", "a", "_", ",", "b", "a", "sil"], frozenset({"sil", "_", ","}), {"a": 0, "b": 1})
    assert (chain.units.tolist(), chain.owner.tolist()) == ([0, 0, 1, 0, 0, 2, 1, 0, 0], [0, 0, 1, 2, 2, 4, 5, 6, 6])
    assert chain.shortest == 3
    rng = np.random.default_rng(0)
    scores, stay = rng.normal(size=(7, 3)).astype(np.float32), rng.uniform(0.2, 0.8, len(chain.units))
    stay = stay[chain.units]
    steps = (chain.units, chain.jump, np.log(stay), np.log(1 - stay), chain.first, chain.last)

    def weight(path: tuple[int, ...]) -> float:
        moves = sum(np.log(stay[s]) if s == t else np.log(1 - stay[s]) for s, t in zip(path, path[1:], strict=False))
        return moves + sum(scores[t, chain.units[s]] for t, s in enumerate(path))

    paths = _all_paths(chain, 7)
    weights = np.array([weight(path) for path in paths])
    path, score = loops.best_path(scores, *steps)
    assert tuple(path) == paths[int(weights.argmax())]
    assert score == pytest.approx(weights.max())
    shares, likelihood = loops.occupation(scores, *steps)
    assert likelihood == pytest.approx(np.logaddexp.reduce(weights))
    expected = np.zeros((7, 3))
    for way, mass in zip(paths, np.exp(weights - likelihood), strict=True):
        expected[np.arange(7), chain.units[list(way)]] += mass
    np.testing.assert_allclose(shares, expected, atol=1e-5)


def test_a_phone_seen_once_is_aligned_all_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    made = [_utterance(tmp_path, i, rng) for i in range(12)]
    tokens = [t for _, t, _ in made]
    tokens[3] = [*tokens[3][:2], "rare", *tokens[3][3:]]
    model = Aligner.train(lambda i: made[i][0].read(RATE), tokens, frozenset({"sil", "_"}), jobs=1)
    found = model.align(made[3][0].read(RATE), tokens[3], frozenset({"sil", "_"}))
    assert np.isfinite(found.score)
    assert abs(found.starts[5] - made[3][2][4]) < 0.05  # the second word is where it was


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data/LJSpeech-1.1/TextGrid").is_dir(), reason="needs ../shared/data/LJSpeech-1.1")
def test_real_speech_within_20_ms_of_another_aligner(tmp_path: Path) -> None:
    root = SHARED / "data/LJSpeech-1.1"
    grids = sorted((root / "TextGrid").glob("*.TextGrid"))[:100]
    rows = [[row for row in read_textgrid(grid) if row[0]] for grid in grids]
    heads = [{round(start, 3) for label, start, _ in read_textgrid(grid, "words") if label} for grid in grids]
    tokens = [["sil"] for _ in grids]
    for sequence, row, head in zip(tokens, rows, heads, strict=True):
        for i, (label, start, _) in enumerate(row):
            sequence += ["_", label] if i and round(start, 3) in head else [label]
        sequence.append("sil")
    pauses = frozenset({"sil", "_"})
    sounds = [Audio.read(root / "wavs" / f"{grid.stem}.wav", RATE) for grid in grids]
    model = Aligner.train(lambda i: sounds[i], tokens, pauses)
    errors = []
    for audio, sequence, row in zip(sounds, tokens, rows, strict=True):
        found = model.align(audio, sequence, pauses)
        starts = [start for start, token in zip(found.starts, sequence, strict=True) if token not in pauses]
        errors += [abs(start - true) for start, (_, true, _) in zip(starts, row, strict=True)]
    assert np.median(errors) < 0.016
    assert np.mean(np.array(errors) < 0.0501) > 0.93


@pytest.mark.parametrize("samples", [np.ones(100), np.zeros(8000)], ids=["shorter than a window", "digital silence"])
def test_odd_sounds_give_finite_observations(samples: np.ndarray) -> None:
    rows = aligner.observe(Audio(samples, RATE))
    assert rows.shape == (1 + len(samples) // aligner.HOP, 39)
    assert np.isfinite(rows).all()
