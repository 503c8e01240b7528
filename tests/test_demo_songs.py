"""The sung demo corpus: the F0 that it says, the same songs in time by both singers, notes where they are said to be."""

import numpy as np
import pytest

from preprocessors import demo_songs
from utils.audio import Audio
from utils.textgrid import read_textgrid

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = demo_songs.make(tmp_path_factory.mktemp("songs"), songs=2)
    return {utterance.id: utterance for utterance in demo_songs.utterances(folder)}


def heard_f0(utterance, times):
    """F0 at `times` as Praat hears it, NaN where it hears none."""
    import parselmouth

    audio = utterance.read()
    pitch = parselmouth.Sound(audio.samples.astype(np.float64), audio.rate).to_pitch_ac(pitch_floor=60, pitch_ceiling=600)
    return np.array([pitch.get_value_at_time(time) for time in times])


def cents(heard, said):
    return 1200 * np.log2(heard / said)


def test_both_singers_sing_the_same_songs(songs):
    assert {u.speaker for u in songs.values()} == {"fay", "adam"}
    assert songs["fay-00"].text == songs["adam-00"].text != songs["fay-01"].text
    assert len(songs) == 4
    assert all(2 < u.read().seconds < 4.5 for u in songs.values())


def test_the_known_f0_is_the_one_that_is_heard(songs):
    for utterance in songs.values():
        times, said = demo_songs.known_f0(utterance)
        heard = heard_f0(utterance, times)
        both = (said > 0) & np.isfinite(heard)
        error = np.abs(cents(heard[both], said[both]))
        assert both.sum() > 0.85 * (said > 0).sum()
        assert np.median(error) < 6
        assert np.mean(error > 100) < 0.02


def test_the_two_are_in_time_an_octave_apart(songs):
    for song in ("00", "01"):
        high, low = songs[f"fay-{song}"], songs[f"adam-{song}"]
        assert len(high.read().samples) == len(low.read().samples)
        _, first = demo_songs.known_f0(high)
        _, second = demo_songs.known_f0(low)
        both = (first > 0) & (second > 0)
        assert both.mean() > 0.5
        assert cents(first[both], second[both]) == pytest.approx(1200, abs=0.1)


def test_a_song_is_nearer_to_itself_by_the_other_singer_than_to_another_song(songs):
    """So that the distance between a conversion and the target's own recording says something."""
    from scipy.fft import dct
    from scipy.signal import stft

    def cepstra(name):
        audio = songs[name].read()
        _, _, spectrum = stft(audio.samples, audio.rate, nperseg=512)
        return dct(np.log(np.abs(spectrum) + 1e-4), axis=0)[1:14]

    def distance(one, other):
        length = min(one.shape[1], other.shape[1])
        return np.abs(one[:, :length] - other[:, :length]).mean()

    same = distance(cepstra("fay-00"), cepstra("adam-00"))
    assert same < 0.8 * distance(cepstra("fay-00"), cepstra("adam-01"))


def test_notes_and_vowels_are_where_the_textgrid_says(songs):
    utterance = songs["fay-00"]
    times, said = demo_songs.known_f0(utterance)
    notes = [note for note in read_textgrid(utterance.textgrid, "notes") if note[0]]
    phones = read_textgrid(utterance.textgrid)
    vowels = [phone for phone in phones if phone[0][:1] in demo_songs.VOWELS]
    assert [start for _, start, _ in notes] == pytest.approx([start for _, start, _ in vowels], abs=1e-3)
    for name, start, end in notes:
        octave = int(name[-1]) + 1
        hertz = 440 * 2 ** ((12 * octave + demo_songs.NAMES.index(name[:-1]) - 69) / 12)
        middle = said[(times > start + 0.06) & (times < (start + end) / 2) & (said > 0)]
        assert np.abs(cents(middle, hertz)).max(initial=0) < 35
    words = [word for word, _, _ in read_textgrid(utterance.textgrid, "words") if word]
    assert " ".join(words).lower() == utterance.text.strip(".").lower()
    samples = utterance.read()
    loud = [np.abs(samples.samples[round(s * samples.rate) : round(e * samples.rate)]).mean() for _, s, e in vowels]
    assert min(loud) > 20 * np.abs(samples.samples[:2000]).mean()


def test_they_are_the_same_each_time(songs, tmp_path):
    demo_songs.make(tmp_path, songs=1, singers=demo_songs.SINGERS[:1])
    again = {u.id: u for u in demo_songs.utterances(tmp_path)}
    assert (again["fay-00"].read().samples == songs["fay-00"].read().samples).all()
    demo_songs.make(tmp_path / "other", songs=1, singers=demo_songs.SINGERS[:1], seed=1)
    other = Audio.read(tmp_path / "other/wavs/fay-00.wav")
    assert other.samples.shape == songs["fay-00"].read().samples.shape
    assert (other.samples != songs["fay-00"].read().samples).any()


def test_a_song_is_in_one_split_and_the_lines_are_counted(songs, tmp_path):
    splits = [demo_songs.split(demo_songs.Utterance(f"adam-{number:02d}")) for number in range(demo_songs.SONGS)]
    assert splits == ["train"] * 4 + ["valid", "test"]
    with pytest.raises(ValueError, match="songs=99: there are lines for 1 to 12 songs"):
        demo_songs.make(tmp_path, songs=99)
