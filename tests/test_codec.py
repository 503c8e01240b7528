"""Codecs for users: codes in one shape, at any bandwidth, in pieces as in the whole, in files; and what is wrong is named."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from bins.infer import main
from models.base.checkpoint import save_release
from models.codec.codes import Codes
from models.codec.encodec import faded_together
from tests.codec import HOP, RATE, SETTINGS, SPECTRAL, codec, network, sound
from utils.audio import Audio

CHUNKED = {
    "audio_channels": 2,
    "seanet": {"filters": 4, "ratios": (4, 2), "hidden": 8, "lstm": 1, "causal": False, "norm": "time_group_norm"},
    "chunking": {"seconds": 0.05, "overlap": 0.1, "normalised": True},
}


def audio_of(samples):
    return Audio(sound(samples)[0, 0].numpy(), RATE)


def test_codes_say_what_they_are():
    task = codec()
    codes = task.encode(audio_of(1003), bandwidth=10)
    assert codes.values.shape == (2, 126) and codes.values.dtype == np.int64 and codes.samples == 1003
    assert codes.frame_rate == Fraction(1000) and codes.bits_per_second == 10_000 and codes.seconds == 1003 / RATE
    assert len(task.decode(codes).samples) == 1003 and task.decode(codes).rate == RATE


@pytest.mark.parametrize(("bandwidth", "books"), [(5, 1), (9.9, 1), (10, 2), (15, 3), (20, 4), (None, 4)])
def test_a_lower_bandwidth_is_the_first_codebooks(bandwidth, books):
    task = codec()
    whole = task.encode(audio_of(400))
    codes = task.encode(audio_of(400), bandwidth=bandwidth)
    assert codes.codebooks == books and (codes.values == whole.first(books).values).all()


@pytest.mark.parametrize(("samples", "piece"), [(1, 1), (55, 13), (56, 7), (57, 1), (64, 200), (403, 13), (1003, 200)])
def test_a_stream_is_coded_as_the_whole(samples, piece):
    task = codec()
    audio = audio_of(samples)
    whole = task.encode(audio)
    pieces = [Audio(part, RATE) for part in np.split(audio.samples, range(piece, samples, piece))]
    parts = list(task.stream_codes(pieces))
    assert (np.concatenate([part.values for part in parts], 1) == whole.values).all()
    frames = np.split(whole.values, range(piece, whole.frames, piece), 1)
    decoded = np.concatenate([part.samples for part in task.stream_sound(frames)])
    np.testing.assert_allclose(decoded[:samples], task.decode(whole).samples, rtol=0, atol=1e-5)


def test_a_stream_computes_no_frame_twice(monkeypatch):
    task = codec()
    seen = []
    conv = task.network.encoder.layers[0]
    monkeypatch.setattr(conv, "_kept", lambda x, kept=conv._kept: seen.append(x.shape[2] - conv.padding) or kept(x))
    pieces = [Audio(part, RATE) for part in np.split(audio_of(960).samples, 6)]
    parts = list(task.stream_codes(pieces))
    assert len(parts) == 6 and sum(seen) == 960 and len(seen) == 6


def test_a_long_sound_is_coded_in_pieces_of_the_same_codes(monkeypatch):
    task = codec()
    audio = audio_of(1003)
    whole = task.encode(audio)
    decoded = task.decode(whole)
    monkeypatch.setattr("models.codec.task.AT_ONCE_SECONDS", 0.02)
    sizes = []
    task.network.encoder.layers[0].register_forward_pre_hook(lambda layer, inputs: sizes.append(inputs[0].shape[2]))
    assert (task.encode(audio).values == whole.values).all()
    assert all((codes.values == whole.values).all() for codes in task.batch([audio, audio]))
    assert max(sizes) < 1003 / 2, "a long sound is coded at once"
    np.testing.assert_allclose(task.decode(whole).samples, decoded.samples, rtol=0, atol=1e-5)


def test_chunks_keep_their_loudness_and_stereo_stays():
    task = codec(**CHUNKED)
    stereo = sound(1000, 2)[0].numpy()
    codes = task.encode(stereo)
    assert codes.chunk_frames == (50, 50, 35) and codes.scales.shape == (3,)
    louder = task.encode(3 * stereo)
    assert (louder.values == codes.values).all()
    np.testing.assert_allclose(louder.scales, 3 * codes.scales, rtol=1e-5)
    np.testing.assert_allclose(task.decode_channels(louder), 3 * task.decode_channels(codes), rtol=1e-4, atol=1e-6)
    assert task.decode_channels(codes).shape == (2, 1000)
    with pytest.raises(ValueError, match="EnCodec: this one cannot stream"):
        next(task.stream_codes([audio_of(9)]))
    with pytest.raises(ValueError, match="a scale for each chunk"):
        task.decode(codes.values)


def test_chunks_fade_into_one_another():
    first = torch.full((1, 1, 6), 2.0)
    second = torch.full((1, 1, 4), 5.0)
    wave = faded_together([first, second], 4)[0, 0]
    assert wave[:4].tolist() == [2.0] * 4 and wave[6:].tolist() == [5.0] * 2
    # Their triangles are 2 and 1 high where the first ends, and 1 and 2 where the second begins.
    torch.testing.assert_close(wave[4:6], torch.tensor([(2 * 2 + 5) / 3, (2 + 2 * 5) / 3]))


def test_a_last_chunk_may_end_before_the_one_before_it():
    task = codec(**CHUNKED | {"chunking": {"seconds": 0.05, "overlap": 0.11}})  # a chunk begins in the middle of a frame
    codes = task.encode(audio_of(362))
    assert codes.chunk_frames == (46, 1) and codes.samples == 362
    assert len(task.decode(codes).samples) == 362


def test_who_takes_a_stream_keeps_gradients():
    task = codec()
    pieces = [audio_of(100), audio_of(100)]
    codes = task.stream_codes(pieces)
    sounds = task.stream_sound([next(codes), next(codes)])
    next(sounds)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_sounds_of_one_length_are_coded_together():
    task = codec()
    sounds = [audio_of(300), audio_of(96), Audio(-audio_of(300).samples, RATE)]
    for codes, audio in zip(task.batch(sounds, bandwidth=10), sounds, strict=True):
        assert (codes.values == task.encode(audio, bandwidth=10).values).all() and codes.samples == len(audio.samples)


def test_codes_are_kept_beside_their_sound(tmp_path):
    task = codec(**CHUNKED)
    heard = task(sound(1000)[0].numpy(), bandwidth=10)
    path = heard.write(tmp_path / "sub/one.wav")
    kept = Codes.load(path.with_suffix(".codes.safetensors"))
    assert (kept.values == heard.codes.values).all() and kept.chunk_frames == heard.codes.chunk_frames
    assert (kept.scales == heard.codes.scales).all() and kept.samples == 1000
    again = task(str(path.with_suffix(".codes.safetensors")))
    assert (again.samples == heard.samples).all()


def test_another_rate_is_resampled():
    task = codec()
    audio = Audio(audio_of(4000).samples, 16000)
    assert (task.encode(audio).values == task.encode(audio.resample(RATE)).values).all()
    assert task.encode(audio).samples == 2000


def test_bad_sounds_and_bandwidths_are_named():
    task = codec()
    cases = (
        (lambda: task.encode(Audio(np.zeros(0), RATE)), "has no sample"),
        (lambda: task.encode(np.full((1, 9), np.nan)), "NaN or infinity"),
        (lambda: task.encode(np.zeros((3, 9))), r"1 or 1 channels, samples\) is expected, got \(3, 9\)"),
        (lambda: task.encode(audio_of(9), bandwidth=3), r"bandwidth: 5 to 20 kbit/s .* got 3"),
        (lambda: task.encode(audio_of(9), bandwidth=200), "got 200"),
        (lambda: task.encode(audio_of(9), bandwith=3), "did you mean 'bandwidth'"),
        (lambda: next(task.stream_codes([Audio(np.zeros(9), 16000)])), "8000 Hz, got 16000 Hz"),
    )
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_codes_of_another_codec_are_refused(tmp_path):
    task = codec()
    codes = task.encode(audio_of(80))
    table = codes.values
    cases = (
        (lambda: task.decode(np.full((2, 5), 32)), "codes must be 0 to 31, got 32 to 32"),
        (lambda: task.decode(np.full((2, 5), -1)), "got -1"),
        (lambda: task.decode(np.zeros((5, 9), dtype=int)), "codes of 1 to 4 codebooks are expected, got 5"),
        (lambda: task.decode(np.zeros((2, 5))), "whole numbers"),
        (lambda: task.decode(replace(codes, rate=24000)), "another codec's: their rate is 24000, and EnCodec has 8000"),
        (lambda: task.decode(replace(codes, codebook_size=64)), "their codebook_size is 64"),
        (lambda: task.decode(replace(codes, scales=np.ones(1))), "no scales"),
        (lambda: replace(codes, chunk_frames=(3, 3)), "cannot be chunks"),
        (lambda: replace(codes, hop_size=0), "codes have a hop_size of 1 or more, got 0"),
        (lambda: codes.first(5), "codebooks: 1 to 4"),
        (lambda: Codes.load(tmp_path / "none.safetensors"), "missing or damaged"),
        (lambda: network().quantizer.decode(torch.from_numpy(table)[None] + 32), "codes must be 0 to 31"),
    )
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_a_file_whose_header_is_damaged_is_named(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "one.codes.safetensors"
    arrays = {"codes": np.zeros((1, 2), np.int32), "chunk_frames": np.array([2], np.int32)}
    save_file(arrays, path, {"codes": "{"})
    with pytest.raises(ValueError, match=r"one\.codes\.safetensors is no file of codes.*no JSON"):
        Codes.load(path)


def test_settings_that_cannot_be_are_named():
    cases = (
        ({"bandwidths": (10.0, 5.0)}, "bandwidths: kbit/s above 0, rising"),
        ({"chunking": {"seconds": 1.0, "overlap": 1.0}}, "chunking.overlap"),
        ({"seanet": {"ratios": (4, 4)}}, "preprocess.hop_size is 8, and a frame of seanet.ratios is 16"),
        ({"seanet": {"ratios": (4, 2), "norm": "time_group_norm"}}, "goes with causal false only"),
        ({"quantizer": {"codebook_size": 1}}, "quantizer.codebook_size: 2 or more"),
        ({"bandwidths": (1.0,)}, "codebooks: 1 or more are needed, got 0"),
    )
    for settings, message in cases:
        with pytest.raises(ValueError, match=message):
            network(**settings)


def test_infer_is_the_task_without_its_arrays():
    task = codec()
    audio = audio_of(403)
    wave = task.network.infer(torch.from_numpy(audio.samples)[None], bandwidth=10.0)
    assert wave.shape == (1, 403) and task.hop_size == HOP
    np.testing.assert_allclose(wave[0].numpy(), task(audio, bandwidth=10).samples, rtol=0, atol=1e-5)


def test_a_folder_is_coded_by_the_program(tmp_path):
    facts = {"sample_rate": RATE, "hop_size": HOP}
    card = {"model_type": "EnCodec", "preprocess": {**facts, "features": {"audio": {}}}, "model": SETTINGS, "facts": facts, "learned": {}}
    save_release(tmp_path / "release", card, network().state_dict())
    audio_of(900).write(tmp_path / "in/a.wav")
    given = ["--checkpoint", str(tmp_path / "release"), "--folder", str(tmp_path / "in"), "--bandwidth", "10"]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    assert main([*given, "--out", str(tmp_path / "streamed"), "--stream"]) == 0
    written = Audio.read(tmp_path / "out/a.wav")
    assert len(written.samples) == 900 and Codes.load(tmp_path / "out/a.codes.safetensors").values.shape == (2, 113)
    np.testing.assert_allclose(Audio.read(tmp_path / "streamed/a.wav").samples, written.samples, rtol=0, atol=1e-4)


@pytest.mark.parametrize("samples", [1, 8, 31, 403])
def test_a_codec_of_spectra_codes_any_length(samples):
    task = codec(**SPECTRAL)
    audio = audio_of(samples)
    codes = task.encode(audio)
    assert codes.values.shape == (4, -(-samples // HOP))
    decoded = task.decode(codes)
    assert len(decoded.samples) == samples and np.isfinite(decoded.samples).all()
    low = task.encode(audio, bandwidth=5)
    assert (low.values == codes.first(1).values).all()


def test_a_codec_of_spectra_hears_what_it_codes_and_no_more_than_its_reach():
    model = network(**SPECTRAL)
    before = sound(1600)
    after = before.clone()
    after[..., 800:] = 0
    reach = (model.encoder.backbone.reach + 2) * HOP  # two frames on either side of the window
    one, other = model.encoder(before), model.encoder(after)
    frame = (800 - reach) // HOP
    torch.testing.assert_close(one[..., :frame], other[..., :frame])
    assert (one[..., 100] - other[..., 100]).abs().max() > 1e-4


@pytest.mark.parametrize(("samples", "piece"), [(8, 1), (403, 1), (403, 7), (1600, 31), (1600, 200)])
def test_a_codec_of_spectra_makes_sound_of_codes_that_still_come(samples, piece):
    task = codec(**SPECTRAL)
    whole = task.encode(audio_of(samples))
    taken = []

    def coming():
        for part in np.split(whole.values, range(piece, whole.frames, piece), 1):
            taken.append(part.shape[1])
            yield part

    sounds = []
    late = []
    for audio in task.stream_sound(coming()):
        sounds.append(audio.samples)
        heard = sum(map(len, sounds)) // HOP
        late.append(sum(taken) - heard)
    np.testing.assert_allclose(np.concatenate(sounds)[:samples], task.decode(whole).samples, rtol=0, atol=1e-5)
    reach = task.model.decoder.reach
    assert all(frames == reach for frames in late[:-1]) and late[-1] == 0


def test_a_codec_of_spectra_says_what_it_cannot():
    with pytest.raises(ValueError, match=r"cannot stream, as it is not causal"):
        list(codec(**SPECTRAL).stream_codes([audio_of(80)]))
    with pytest.raises(ValueError, match=r"audio_channels: a codec of spectra has 1, got 2"):
        network(**SPECTRAL, audio_channels=2)


def test_bandwidths_that_are_no_number_are_named():
    for bandwidth in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match=rf"bandwidth: 5 to 20 kbit/s .* got {bandwidth}"):
            codec().encode(audio_of(80), bandwidth=bandwidth)


@pytest.mark.parametrize("given", [np.zeros(9, int), np.array("one.wav"), np.zeros((2, 0), int)])
def test_what_has_not_the_shape_of_codes_is_named(given):
    with pytest.raises(ValueError, match=r"codes are whole numbers \(codebooks, frames\)"):
        codec().decode(given)


def test_pieces_of_other_codebooks_are_named():
    pieces = [np.zeros((2, 3), int), np.zeros((3, 20), int)]
    with pytest.raises(ValueError, match=r"a piece of a stream has 3 codebooks, and the first had 2: give as many, codes.first\(2\)"):
        list(codec().stream_sound(pieces))


def test_latents_of_any_precision_become_sound_and_none_are_named():
    task = codec()
    latent = np.random.default_rng(0).standard_normal((5, task.latent))
    single = latent.astype(np.float32)
    assert (task.decode_latent(latent).samples == task.decode_latent(single).samples).all()
    with pytest.raises(ValueError, match=r"shape \(1 or more frames, 8\) are expected, got \(0, 8\)"):
        task.decode_latent(latent[:0])


def test_options_beside_codes_are_heard():
    task = codec()
    codes = task.encode(audio_of(80))
    assert (task(codes, bandwidth=10).codes.values == codes.first(2).values).all()
    assert task(codes.first(1), bandwidth=10).codes.codebooks == 1
    for options, message in (({"bandwidth": 500}, "got 500"), ({"bandwith": 10}, "did you mean 'bandwidth'")):
        with pytest.raises(ValueError, match=message):
            task(codes, **options)


def test_what_a_damaged_file_of_codes_says_is_named(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "one.codes.safetensors"
    whole = codec().encode(audio_of(80))
    header = {"rate": RATE, "hop_size": HOP, "codebook_size": 32, "samples": 80}
    row = np.array([10])
    cases = (
        ({"chunk_frames": row[None]}, r"chunk_frames: whole numbers in a row are needed, got int64 of shape \(1, 1\)"),
        ({"chunk_frames": np.array(10)}, "chunk_frames: whole numbers in a row"),
        ({"parts": np.array([1, 3])}, r"parts: codebooks of prosody, content and residual are three numbers, got \[1, 3\]"),
        ({"scales": np.array([np.nan], np.float32)}, "scales: a row of numbers is needed"),
    )
    for arrays, message in cases:
        arrays = {"codes": whole.values, "chunk_frames": row} | arrays
        save_file(arrays, path, {"codes": json.dumps(header)})
        with pytest.raises(ValueError, match=f"one.codes.safetensors: {message}"):
            Codes.load(path)
    save_file({"codes": whole.values, "chunk_frames": row}, path, {"codes": json.dumps(header | {"newer": 1})})
    assert (Codes.load(path).values == whole.values).all()
