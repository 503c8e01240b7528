"""Sound files as they come: sections against the whole, headers that lie, streams without a length, channels that cancel."""

import struct

import numpy as np
import pytest
import soundfile

from preprocessors.base import Utterance, inspect, prepare, read_manifest
from utils import decode
from utils.audio import OPUS_RATES, WRITTEN, Audio, AudioError
from utils.sections import Sections

RATE = 24000


def music(seconds=2.0, rate=RATE, channels=1, seed=0, noise=0.1):
    """A gliding tone and bursts of noise, float32 (samples, channels): no two sections are alike."""
    t, rng = np.arange(round(seconds * rate)), np.random.default_rng(seed)
    tone = 0.3 * np.sin(0.05 * t * (1 + 0.2 * np.sin(1e-4 * t)))
    return np.stack([tone + noise * rng.standard_normal(len(t)) * (np.sin(3e-4 * t) > 0) for _ in range(channels)], 1)


def write(path, samples=None, rate=RATE, **options):
    soundfile.write(path, music() if samples is None else samples, rate, **options)
    return path


def patched(path, mark, value, offset=4):
    """The file with 32 bits after `mark` changed, little-endian."""
    data = bytearray(path.read_bytes())
    at = data.index(mark) + offset
    data[at : at + 4] = struct.pack("<I", value)
    path.write_bytes(data)
    return path


def flac(path, *, total=None, rate=None):
    """A FLAC file whose header says another number of samples or another rate."""
    data = bytearray(write(path).read_bytes())
    bits = int.from_bytes(data[18:26], "big")
    bits = bits if total is None else bits & ~(2**36 - 1) | total
    bits = bits if rate is None else bits & (2**44 - 1) | rate << 44
    data[18:26] = bits.to_bytes(8, "big")
    path.write_bytes(data)
    return path


FORMS = {
    "wav": ({}, (8000, 11025, 16000, 22050, 24000, 44100, 48000)),
    "flac": ({}, (8000, 16000, 22050, 24000, 44100, 48000, 96000)),
    "ogg": ({}, (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)),
    "opus": ({"format": "OGG", "subtype": "OPUS"}, (8000, 12000, 16000, 24000, 48000)),
    "mp3": ({"bitrate_mode": "VARIABLE"}, (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)),
    "aiff": ({}, (22050, 44100)),
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", FORMS)
def test_a_section_is_the_cut_of_the_whole(suffix, channels, tmp_path):
    options, rates = FORMS[suffix]
    for rate in rates:
        path = write(tmp_path / f"{rate}.{suffix}", music(4.0, rate, channels), rate, **options)
        whole, rng = Audio.read(path).samples, np.random.default_rng(rate)
        starts = [*rng.uniform(0, 3.5, 12), 0.0, 3.9, 3.99]
        for start in starts:
            for seconds in (0.3, None):
                part = Audio.read(path, start=start, seconds=seconds).samples
                first = round(start * rate)
                cut = whole[first:] if seconds is None else whole[first : first + round(seconds * rate)]
                np.testing.assert_array_equal(part, cut, err_msg=f"{path.name} from {start}")


@pytest.mark.parametrize("suffix", FORMS)
def test_sections_of_a_file_that_is_entered_anywhere_are_read_alone(suffix, tmp_path, monkeypatch):
    options, rates = FORMS[suffix]
    path = write(tmp_path / f"a.{suffix}", music(4.0, rates[0]), rates[0], **options)
    if suffix in ("mp3", "ogg", "opus"):
        with pytest.raises(AudioError, match="read as a whole"):
            Sections(path)
        return
    whole = Audio.read(path, start=0.5, seconds=3.0).samples
    part = Sections(path, 0.5, 3.0)
    read, frames = [], soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, n, **k: read.append(n) or frames(self, n, **k))
    assert (part.rate, part.samples, Sections(path).samples) == (rates[0], len(whole), 4 * rates[0])
    for first, count in ((700, 900), (0, 10), (len(whole) - 5, 5), (11, 1)):  # back and forth
        np.testing.assert_array_equal(part.read(first, count), whole[first : first + count])
    assert sum(read) == 916


def test_what_only_the_whole_file_tells_is_not_read_in_sections(tmp_path):
    with pytest.raises(AudioError, match="read as a whole"):
        Sections(write(tmp_path / "stereo.wav", music(1.0, channels=2)))
    path = write(tmp_path / "cut.wav")
    path.write_bytes(path.read_bytes()[:60000])
    with pytest.raises(AudioError, match="read as a whole"):
        Sections(path)
    with pytest.raises(AudioError, match="cannot read audio .*none.wav"):
        Sections(tmp_path / "none.wav")
    bad = music(1.0)
    bad[5000] = np.nan
    with pytest.raises(AudioError, match="bad.wav holds NaN"):
        Sections(write(tmp_path / "bad.wav", bad, subtype="FLOAT")).read(4990, 20)
    with pytest.raises(AudioError, match="cut.flac"):
        short = flac(tmp_path / "cut.flac", total=600 * RATE)
        Sections(short).read(300 * RATE, 100)


@pytest.mark.parametrize("channels", [1, 2])
def test_whole_files_are_what_soundfile_reads(tmp_path, monkeypatch, channels):
    monkeypatch.setattr(decode, "BLOCK", 4000)  # many blocks, and nothing may be lost between them
    for suffix, (options, rates) in FORMS.items():
        path = write(tmp_path / f"a.{suffix}", music(2.0, rates[-1], channels), rates[-1], **options)
        expected = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
        np.testing.assert_allclose(Audio.read(path).samples, expected, atol=3e-7)


def test_formats_that_seek_exactly_are_not_decoded_in_vain(tmp_path, monkeypatch):
    read, frames = [], soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, n, **k: read.append(n) or frames(self, n, **k))
    for name in ("a.wav", "a.flac"):
        Audio.read(write(tmp_path / name, music(10.0)), start=9.0, seconds=0.5)
    assert sum(read) == 2 * 12000


@pytest.mark.parametrize("section", [{"start": 5.0}, {"start": 5.0, "seconds": 1.0}])
def test_a_section_beyond_the_end_says_so(tmp_path, section):
    for name in ("a.wav", "a.flac", "a.mp3"):
        with pytest.raises(AudioError, match=f"{name} has nothing from 5.0 s on"):
            Audio.read(write(tmp_path / name), **section)


@pytest.mark.parametrize("section", [{"start": -1.0}, {"start": float("nan")}, {"seconds": -0.5}, {"seconds": float("inf")}])
def test_impossible_sections_are_refused(tmp_path, section):
    with pytest.raises(AudioError, match=f"{next(iter(section))}=.*a.wav"):
        Audio.read(write(tmp_path / "a.wav"), **section)


CUTS = {"wav": 60000, "aiff": 60000, "au": 60000, "w64": 60000, "rf64": 60000, "mp3": 6000}


@pytest.mark.parametrize("suffix", CUTS)
def test_a_file_that_holds_less_than_its_header_promises_is_named(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: CUTS[suffix]])
    with pytest.raises(AudioError, match=rf"a.{suffix} is cut short: its header promises 2.00 s, and it holds [01]"):
        Audio.read(path)
    assert len(Audio.read(path, start=0.1, seconds=0.2).samples) == 4800  # what is there, is there


def test_a_cut_flac_and_one_that_promises_hours_are_named(tmp_path):
    with pytest.raises(AudioError, match=r"a.flac is cut short: its header promises 600.00 s, and it holds 2.00 s"):
        Audio.read(flac(tmp_path / "a.flac", total=600 * RATE))
    path = write(tmp_path / "b.flac")
    path.write_bytes(path.read_bytes()[:30000])
    with pytest.raises(AudioError, match="cannot read audio .*b.flac"):
        Audio.read(path)


def test_a_header_that_promises_a_little_too_much(tmp_path):
    path = write(tmp_path / "a.wav")
    size = len(path.read_bytes()) - 44
    assert Audio.read(patched(path, b"data", size + 44)).doubts == ()  # the header counted as sound: harmless
    (doubt,) = Audio.read(patched(path, b"data", size + 2400)).doubts
    assert "promises 2.05 s, and it holds 2.00 s" in doubt
    text = inspect(Utterance("a", audio=str(path), text="hello"), needs_text=True)
    assert text[1] == "" and "promises 2.05 s" in text[2]


def test_a_header_that_promises_too_little(tmp_path):
    path = write(tmp_path / "a.wav")
    size = len(path.read_bytes()) - 44
    (doubt,) = Audio.read(patched(path, b"data", size // 2)).doubts
    assert f"promise too little: {size // 2} bytes" in doubt
    assert Audio.read(patched(path, b"data", size - 400)).doubts == ()  # what some programs leave at the end


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF - 36])
def test_streams_without_a_length_are_read_to_their_end(tmp_path, size, subtype):
    path = write(tmp_path / "a.wav", subtype=subtype)
    expected = Audio.read(path)
    for riff in (size, len(path.read_bytes()) - 8):
        found = Audio.read(patched(patched(path, b"data", size), b"RIFF", riff))
        np.testing.assert_array_equal(found.samples, expected.samples)
        assert found.doubts == ()


def test_a_stream_that_begins_silent_and_flac_without_a_length(tmp_path):
    samples = music()
    samples[:6000] = 0
    path = write(tmp_path / "a.wav", samples)
    expected = Audio.read(path).samples
    np.testing.assert_array_equal(Audio.read(patched(path, b"data", 0)).samples, expected)
    path = flac(tmp_path / "a.flac", total=0)
    np.testing.assert_array_equal(Audio.read(path).samples, Audio.read(write(tmp_path / "b.flac")).samples)
    assert len(Audio.read(path, start=1.0).samples) == RATE


def test_an_empty_wav_stays_empty_whatever_follows(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros(0))
    with pytest.raises(AudioError, match="it holds no samples"):
        Audio.read(path)
    tag = b"INFOISFT\x0a\0\0\0recorder10"
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", len(tag)) + tag)
    with pytest.raises(AudioError, match="it holds no samples"):
        Audio.read(patched(path, b"RIFF", path.stat().st_size - 8))


@pytest.mark.parametrize(("rate", "total"), [(None, 2**36 - 1), (None, 2**32), (10, None), (1, None), (2**20 - 1, None)])
def test_flac_headers_that_lie_are_refused_before_memory_is_taken(tmp_path, rate, total):
    import tracemalloc

    path = flac(tmp_path / "a.flac", rate=rate, total=total)
    tracemalloc.start()
    with pytest.raises(AudioError, match="a.flac.*(samples long|samples a second)"):
        Audio.read(path, RATE)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize("rate", [0, 1, 10, 999, 2_000_000_000, 4_000_000_000, 0xFFFFFFFF])
def test_rates_that_no_sound_has_are_refused(tmp_path, rate):
    path = patched(write(tmp_path / "a.wav"), b"fmt ", rate, offset=12)
    with pytest.raises(AudioError, match="a.wav"):
        Audio.read(path, RATE)


def test_a_small_file_that_unfolds_to_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "SMALL_FILE", 2**20)
    path = write(tmp_path / "a.flac", np.zeros(2**22, np.int16))
    assert path.stat().st_size < 2**15
    with pytest.raises(AudioError, match="4.19e\\+06 samples long, at most"):
        Audio.read(path)
    assert Audio.read(path, start=100.0, seconds=1.0).seconds == 1.0
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # and now its header does not say how long it is
    path.write_bytes(data)
    with pytest.raises(AudioError, match="samples long, at most"):
        Audio.read(path)


def test_resampling_is_bounded():
    sound = Audio(np.zeros(RATE, np.float32), RATE)
    for rate in (0, -5, 10, 10**9):
        with pytest.raises(AudioError, match="samples a second"):
            sound.resample(rate)
    with pytest.raises(AudioError, match="at most"):
        Audio(np.broadcast_to(np.float32(0), 2**21), 1000).resample(10**6)
    assert len(Audio(np.zeros(1000, np.float32), 1000).resample(768000).samples) == 768000


@pytest.mark.parametrize("scale", [127, 32767, 8388607, 2147483647])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_integers_called_floats_are_refused(tmp_path, scale, subtype):
    path = write(tmp_path / "a.wav", music() * scale, subtype=subtype)
    with pytest.raises(AudioError, match="a.wav reaches .*float sound goes from -1 to 1.*32768"):
        Audio.read(path)
    stereo = music() * scale * [[1, -1]]  # the mean would hide it
    with pytest.raises(AudioError, match="b.wav reaches"):
        Audio.read(write(tmp_path / "b.wav", stereo, subtype=subtype))


def test_floats_a_little_beyond_full_scale_are_legal(tmp_path):
    samples = music()
    path = write(tmp_path / "a.wav", samples * 1.2 / np.abs(samples).max(), subtype="FLOAT")
    found, reason, doubt = inspect(Utterance("a", audio=str(path)), needs_text=False)
    assert reason == "" and "clipped" not in doubt
    assert Audio.read(path).peak == pytest.approx(1.2)
    write(path, samples * 5 / np.abs(samples).max(), subtype="FLOAT")
    assert "beyond full scale, to 5.00" in inspect(found, needs_text=False)[2]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_channels_that_cancel_are_not_silence(tmp_path, suffix):
    samples = music()
    path = write(tmp_path / f"a.{suffix}", samples * [[1, -1]])
    found, reason, doubt = inspect(Utterance("a", audio=str(path)), needs_text=False)
    assert reason == "" and "cancel" in doubt and found.seconds == 2
    np.testing.assert_allclose(Audio.read(path).samples, samples[:, 0], atol=1e-4)
    np.testing.assert_array_equal(Audio.read(path, start=0.7, seconds=0.5).samples, Audio.read(path).samples[16800:28800])


def test_channels_that_cancel_are_known_after_coding(tmp_path):
    samples = music(noise=0.05)
    path = write(tmp_path / "a.ogg", samples * [[1, -1]])
    coded = soundfile.read(path)[0]
    assert (coded.mean(1) ** 2).sum() > 0.01 * (coded**2).mean(1).sum()  # what is left is not little, and is no sound
    audio = Audio.read(path)
    assert "cancel" in audio.doubts[0] and abs(np.corrcoef(audio.samples, samples[:, 0])[0, 1]) > 0.9


def test_many_channels_do_not_cancel_because_they_are_many(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal((RATE, 128))
    audio = Audio.read(write(tmp_path / "a.wav", noise))
    assert not audio.doubts and audio.peak == pytest.approx(np.abs(noise.mean(1)).max(), abs=1e-4)


def test_other_stereo_is_averaged(tmp_path):
    one, other = music(seed=1), music(seed=2)
    for pair in ([one, other], [one, 0 * one], [one, 0.3 * one], [one, -0.5 * one]):
        samples = np.concatenate(pair, 1)
        found = Audio.read(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
        np.testing.assert_allclose(found.samples, samples.mean(1), atol=1e-6)
        assert found.doubts == ()
    assert Audio.read(write(tmp_path / "b.wav", np.zeros((100, 2)))).silent


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-24), ("FLOAT", 2**-24), ("DOUBLE", 2**-24)],
)
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_every_width_and_number_of_channels(tmp_path, subtype, step, channels):
    samples = music(channels=channels)
    found = Audio.read(write(tmp_path / "a.wav", samples, subtype=subtype))
    np.testing.assert_allclose(found.samples, samples.mean(1), atol=step)
    assert found.doubts == ()


def test_an_ogg_file_without_its_end_is_doubted(tmp_path):
    path = write(tmp_path / "a.ogg", music(6.0))
    assert Audio.read(path).doubts == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "may be cut short" in Audio.read(path).doubts[0]


def test_a_pipe_is_no_file(tmp_path):
    import os

    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="is no file"):
        Audio.read(tmp_path / "a.wav")


def test_a_corpus_with_all_of_them_goes_on(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    flac(raw / "terabytes.flac", total=2**36 - 1)
    flac(raw / "slow.flac", rate=10)
    write(raw / "integers.wav", music() * 32767, subtype="FLOAT")
    cut = write(raw / "cut.wav")
    cut.write_bytes(cut.read_bytes()[:50000])
    write(raw / "mirror.wav", music() * [[1, -1]])
    write(raw / "good.wav")
    patched(write(raw / "stream.wav"), b"data", 0)
    report = prepare("custom", raw, tmp_path / "data", jobs=1)
    kept = {u.id for s in report.counts for u in read_manifest(tmp_path / f"data/custom/{s}.jsonl")}
    assert kept == {"mirror", "good", "stream"}
    assert {identity for identity, _ in report.skipped} == {"terabytes", "slow", "integers", "cut"}
    assert [identity for identity, _ in report.warnings] == ["mirror"]


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 96000])
@pytest.mark.parametrize("suffix", WRITTEN)
def test_what_is_written_can_be_read(tmp_path, suffix, rate):
    if suffix == ".mp3" and rate == 96000:
        pytest.skip("MP3 ends at 48 kHz")
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    path = Audio(0.5 * tone, rate).write(tmp_path / f"a{suffix}")
    read = Audio.read(path)
    assert abs(read.seconds - 1) < 0.1
    kept = suffix != ".opus" or rate in OPUS_RATES
    assert (read.rate == rate) == kept and (read.rate >= rate or rate == 96000)
    middle = read.samples[read.rate // 4 : -read.rate // 4]
    spectrum = np.abs(np.fft.rfft(middle))
    assert abs(spectrum.argmax() * read.rate / len(middle) - 440) < 3


@pytest.mark.parametrize("name", ["a.m4a", "a.aac", "a", "a.WAF"])
def test_what_cannot_be_written_says_what_can(tmp_path, name):
    with pytest.raises(AudioError, match=r"an ending of \.wav, \.flac, \.ogg, \.opus, \.mp3"):
        Audio(np.zeros(9), 16000).write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_samples_come_with_their_rate(tmp_path):
    sound = Audio(music()[:, 0], RATE)
    path = sound.write(tmp_path / "a.wav")
    assert Audio.of(sound) is sound
    np.testing.assert_array_equal(Audio.of(path).samples, Audio.of(str(path)).samples)
    assert Audio.of(sound.samples, RATE).rate == RATE
    for given, rate, message in ((sound.samples, None, "give their rate"), (sound, RATE, "have their own"), (sound.samples, 24, "is at 24")):
        with pytest.raises(AudioError, match=message):
            Audio.of(given, rate)
