"""FACodec for users: prosody, content, residual and voice apart; conversions; what is wrong is named; published files load."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bins.infer import main
from models import load
from models.base.checkpoint import save_release
from models.codec.codes import Codes
from modules.factorized import FactorizedQuantizer
from tests import codec as encodec
from tests.facodec import HOP, KINDS, RATE, SETTINGS, codec, network
from utils.audio import Audio


def voice(seconds, seed=0):
    random = np.random.default_rng(seed)
    return Audio(0.3 * random.standard_normal(round(seconds * RATE)), RATE)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_hold_prosody_content_residual_and_a_voice(kind):
    task = codec(**KINDS[kind])
    codes = task.encode(voice(0.6))
    assert codes.values.shape == (6, 600) and codes.timbre.shape == (8,) and codes.timbre.dtype == np.float32
    assert np.array_equal(np.concatenate([codes.prosody, codes.content, codes.residual]), codes.values)
    assert [len(codes.prosody), len(codes.content), len(codes.residual)] == [1, 2, 3]
    assert len(task.decode(codes).samples) == 4800
    assert len(np.unique(codes.values)) > 5


def test_what_is_left_is_left_by_prosody_and_content():
    model = network()
    audio = torch.from_numpy(voice(0.5).samples)[None, None]
    latent = model.encoder(audio)
    prosody = model._prosody(audio, latent)
    quantized = model.quantizer(latent, prosody)
    codes = model.quantizer.encode(latent, prosody)
    rest = latent - quantized.prosody - quantized.content
    assert torch.equal(codes[:, 3:], model.quantizer.residual.encode(rest))
    total = quantized.prosody + quantized.content + quantized.residual
    torch.testing.assert_close(model.quantizer.decode(codes), total)
    torch.testing.assert_close(model.quantizer.decode(codes[:, :3]), quantized.prosody + quantized.content)


def test_rows_are_taken_as_they_were_looked_up():
    for unit_rows in (True, False):
        quantizer = FactorizedQuantizer(1, 16, 6, 3, unit_rows=unit_rows).eval()
        book = quantizer.layers[0]
        with torch.no_grad():
            before = quantizer.decode(torch.tensor([[[5]]]))
            book.codebook.weight[5] *= 3
            after = quantizer.decode(torch.tensor([[[5]]]))
        assert torch.allclose(before, after) == unit_rows
        x = torch.randn(2, 6, 9)
        codes = quantizer.encode(x)
        torch.testing.assert_close(quantizer(x).vectors, quantizer.decode(codes))


@pytest.mark.parametrize(("bandwidth", "books"), [(14, 3), (18.9, 3), (19, 4), (29, 6), (None, 6)])
def test_a_lower_bandwidth_leaves_residual_codes_out(bandwidth, books):
    task = codec()
    codes = task.encode(voice(0.5), bandwidth=bandwidth)
    assert codes.codebooks == books and len(codes.residual) == books - 3
    assert np.array_equal(codes.values, task.encode(voice(0.5)).values[:books])
    assert len(task.decode(codes).samples) == 4000


@pytest.mark.parametrize("kind", ["mel", "redecoder"])
def test_a_conversion_is_the_codes_in_another_voice(kind):
    task = codec(**KINDS[kind])
    source = task.encode(voice(0.5))
    reference = voice(0.7, 1)
    converted = task.convert(source, reference)
    timbre = task.encode(reference).timbre
    assert np.array_equal(converted.codes.values, source.values[:3]) and np.array_equal(converted.codes.timbre, timbre)
    finer = task.convert(source, task.encode(reference), residual=True)
    assert np.array_equal(finer.codes.values, source.values) and not np.allclose(finer.samples, converted.samples)
    if kind == "mel":
        np.testing.assert_allclose(task.decode(converted.codes).samples, converted.samples, atol=1e-6)
        assert not np.allclose(task.decode(source.first(3)).samples, converted.samples)
    else:
        assert not np.allclose(task.decode(converted.codes).samples, converted.samples)


def test_the_redecoder_hears_the_voice_in_its_prosody():
    model = network(**KINDS["redecoder"])
    codes = torch.randint(16, (1, 6, 20))
    voices = torch.randn(2, 8)
    first, second = (model.redecoder.embedded(codes, voice[None]) for voice in voices)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_its_items(kind):
    task = codec(**KINDS[kind])
    sounds = [voice(0.4), voice(0.4, 1), voice(0.5, 2)]
    for together, alone in zip(task.batch(sounds), map(task.encode, sounds), strict=True):
        assert np.array_equal(together.values, alone.values)
        np.testing.assert_allclose(together.timbre, alone.timbre, atol=1e-5)


def test_positions_by_mistake_are_those_of_an_item_alone():
    model = network(timbre={"source": "latent", "transformer": {"layers": 1, "heads": 2, "positions": "item"}})
    first = network(timbre={"source": "latent", "transformer": {"layers": 1, "heads": 2, "positions": "first"}})
    x = torch.randn(2, 8, 30)
    torch.testing.assert_close(model.timbre(x)[:1], first.timbre(x)[:1])
    torch.testing.assert_close(first.timbre(x)[1:], first.timbre(x[1:]))
    assert not torch.allclose(model.timbre(x)[1:], first.timbre(x)[1:])


def test_codes_are_kept_with_their_voice(tmp_path):
    task = codec()
    codes = task.encode(voice(0.5))
    kept = Codes.load(codes.save(tmp_path / "one.codes.safetensors"))
    assert kept.parts == (1, 2, 3) and np.array_equal(kept.timbre, codes.timbre) and np.array_equal(kept.content, codes.content)
    assert np.array_equal(task(tmp_path / "one.codes.safetensors").samples, task.decode(codes).samples)


def test_what_is_wrong_is_named():
    task = codec()
    codes = task.encode(voice(0.5))
    other = encodec.codec()
    cases = (
        (lambda: task.convert(voice(0.5), voice(0.3)), r"the reference is 0\.30 s long: 0\.5 s or more"),
        (lambda: task.convert(voice(0.5), Audio(np.zeros(RATE), RATE)), "the reference is silent"),
        (lambda: task.convert(voice(0.5), Audio(np.full(RATE, np.nan), RATE)), "NaN or infinity"),
        (lambda: task.convert(voice(0.5), replace(codes, timbre=None)), "a timbre of 8 numbers beside its codes, got none"),
        (lambda: task.decode(replace(codes, timbre=np.zeros(3))), "a timbre of 8 numbers beside its codes, got 3"),
        (lambda: task.decode(codes.values), "got none: give it what its `encode` gave"),
        (lambda: task.decode(codes.first(2)), r"codes of 3 codebooks \(prosody and content\) or more are expected, got 2"),
        (lambda: task.decode(replace(codes, rate=16000)), "their rate is 16000, and FACodec has 8000"),
        (lambda: task.decode(replace(codes, values=np.zeros((7, 4), int), chunk_frames=(4,))), "codes of 1 to 6 codebooks are expected, got 7"),
        (lambda: task.decode(replace(codes, values=codes.values + 16)), "codes must be 0 to"),
        (lambda: replace(codes, timbre=np.array([np.nan])), "NaN or infinity"),
        (lambda: task.encode(voice(0.5), bandwidth=13), r"bandwidth: 14 \(prosody and content\) to 29 kbit/s, got 13"),
        (lambda: other.convert(voice(0.5), voice(0.6)), "EnCodec does not keep the voice apart"),
        (lambda: other.encode(voice(0.1)).prosody, "FACodec's are"),
        (lambda: task.decode_latent(np.zeros((5, task.latent))), "latents alone have no voice"),
        (lambda: next(task.stream_codes([voice(0.1)])), "cannot stream"),
    )
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_settings_that_cannot_be_are_named():
    cases = (
        ({"dac": {"ratios": (4, 4)}}, "preprocess.hop_size is 8, and a frame of dac.ratios is 16"),
        ({"dac": {"ratios": ()}}, "dac.ratios: whole numbers of 1 or more"),
        ({"dac": {"ratios": (4, 2), "decoder_filters": 2}}, "cannot be halved 2 times"),
        ({"books": {"counts": (0, 2, 3)}}, "1 codebook or more"),
        ({"books": {"dropout": 2.0}}, "books.dropout: a share"),
        ({"predictors": {}}, "there are no symbols: add preprocess.features.phone"),
        ({"timbre": {"hidden": 9}}, "heads: 9 channels cannot be shared by 2 heads"),
    )
    for settings, message in cases:
        with pytest.raises(ValueError, match=message):
            network(**settings)


def test_a_folder_is_converted_by_the_program(tmp_path):
    facts = {"sample_rate": RATE, "hop_size": HOP, "n_speakers": 3}
    p = {"sample_rate": RATE, "hop_size": HOP, "features": {"audio": {}}}
    card = {"model_type": "FACodec", "preprocess": p, "model": SETTINGS, "facts": facts, "learned": {}}
    save_release(tmp_path / "release", card, network().state_dict())
    voice(0.6).write(tmp_path / "in/a.wav")
    voice(0.8, 1).write(tmp_path / "b.wav")
    given = ["--checkpoint", str(tmp_path / "release"), "--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main([*given, "--reference", str(tmp_path / "b.wav")]) == 0
    written = Audio.read(tmp_path / "out/a.wav")
    wanted = load(tmp_path / "release", device="cpu").convert(tmp_path / "in/a.wav", tmp_path / "b.wav")
    np.testing.assert_allclose(written.samples, wanted.samples, atol=1e-4)


def test_a_long_recording_needs_no_table_of_all_pairs_of_frames():
    from torch.nn.attention import SDPBackend, sdpa_kernel

    timbre = network().timbre
    with torch.inference_mode(), sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        assert timbre(torch.randn(1, 20, 30)).shape == (1, 8)


def test_a_bandwidth_that_is_no_number_is_named():
    with pytest.raises(ValueError, match="bandwidth: 14 .* got nan"):
        codec().encode(voice(0.1), bandwidth=float("nan"))
