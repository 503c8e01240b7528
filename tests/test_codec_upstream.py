"""EnCodec against the two programs that its weights come from, each in its own format: codes to the last one, sound to a hair."""

import pytest
import torch

from models import load
from models.codec.codes import Codes

LENGTHS = (1, 319, 321, 2563)


def stirred(network):
    """Weights away from their start, so that what is coded matters."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.05 * torch.randn_like(parameter))
            elif parameter.shape[1:] == (1, 1):  # lengths of a weight norm
                parameter.mul_(2)
    return network.eval()


def noise(channels, samples):
    return 0.3 * torch.randn(1, channels, samples)


def spread(network, codebooks):
    """Rows of the codebooks as far apart as what is coded."""
    with torch.no_grad():
        size = network.encoder(noise(network.channels, 4000)).std()
    for codebook in codebooks:
        codebook.embed.normal_(std=size / 3)


@pytest.fixture(params=["encodec_24khz", "encodec_48khz"], scope="module")
def package(request, tmp_path_factory):
    """The network of the package encodec at its own size, and ours from its file."""
    encodec = pytest.importorskip("encodec")
    torch.manual_seed(0)
    theirs = stirred(getattr(encodec.EncodecModel, f"encodec_model_{request.param[8:]}")(pretrained=False))
    spread(theirs, [layer._codebook for layer in theirs.quantizer.vq.layers])
    file = tmp_path_factory.mktemp("encodec") / f"{request.param}-abcdef12.th"
    torch.save(theirs.state_dict(), file)
    return theirs, load(file, device="cpu")


@torch.no_grad()
def test_the_package_encodec(package):
    theirs, ours = package
    assert ours.rate == theirs.sample_rate and ours.model.bandwidths == tuple(theirs.target_bandwidths)
    for turn, bandwidth in enumerate(theirs.target_bandwidths):
        samples = LENGTHS[turn % len(LENGTHS)]
        sound = noise(theirs.channels, samples)
        theirs.set_target_bandwidth(bandwidth)
        frames = theirs.encode(sound)
        codes = ours.encode(sound[0].numpy(), bandwidth=bandwidth)
        wanted = torch.cat([chunk for chunk, _ in frames], 2)[0]
        assert codes.values.tolist() == wanted.tolist(), bandwidth
        assert len(wanted.unique()) > min(5, wanted.numel() // 2)
        decoded = torch.from_numpy(ours.decode_channels(codes))
        torch.testing.assert_close(decoded, theirs.decode(frames)[0, :, :samples], rtol=0, atol=1e-5)
        assert codes.bits_per_second == 1000 * bandwidth


@torch.no_grad()
def test_a_chunk_behind_the_first_second(package):
    theirs, ours = package
    if theirs.segment is None:
        pytest.skip("the one of 24 kHz codes all at once")
    theirs.set_target_bandwidth(3.0)
    samples = 47_523  # the second chunk, three samples, lies within the first
    sound = noise(2, samples)
    frames = theirs.encode(sound)
    codes = ours.encode(sound[0].numpy(), bandwidth=3)
    assert codes.chunk_frames == tuple(chunk.shape[2] for chunk, _ in frames)
    assert codes.values.tolist() == torch.cat([chunk for chunk, _ in frames], 2)[0].tolist()
    decoded = torch.from_numpy(ours.decode_channels(codes))
    torch.testing.assert_close(decoded, theirs.decode(frames)[0, :, :samples], rtol=0, atol=1e-5)


SMALL = {"num_filters": 4, "upsampling_ratios": [4, 2], "hidden_size": 16, "codebook_size": 32}
KINDS = {
    "causal": {"target_bandwidths": [30.0, 60.0]},
    "plain": {"target_bandwidths": [30.0], "num_residual_layers": 2, "use_conv_shortcut": False, "trim_right_ratio": 0.5, "num_lstm_layers": 1},
    "chunked": {
        "target_bandwidths": [60.0, 120.0], "audio_channels": 2, "sampling_rate": 48000, "use_causal_conv": False,
        "norm_type": "time_group_norm", "normalize": True, "chunk_length_s": 0.01, "overlap": 0.1,
    },
}  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_transformers(kind, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    config = transformers.EncodecConfig(**SMALL, **KINDS[kind])
    theirs = stirred(transformers.EncodecModel(config))
    theirs.channels = config.audio_channels
    spread(theirs, [layer.codebook for layer in theirs.quantizer.layers])
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path, device="cpu")
    for bandwidth in config.target_bandwidths:
        sound = noise(config.audio_channels, 1344 if kind == "chunked" else 1003)  # they take whole strides and one overlap alone
        coded = theirs.encode(sound, bandwidth=bandwidth)
        codes = ours.encode(sound[0].numpy(), bandwidth=bandwidth)
        wanted = torch.cat(list(coded.audio_codes), 2)[0, :, : codes.frames]
        assert codes.values.tolist() == wanted.tolist(), bandwidth
        decoded = torch.from_numpy(ours.decode_channels(codes))
        padded = coded.last_frame_pad_length
        reference = theirs.decode(coded.audio_codes, coded.audio_scales, last_frame_pad_length=padded).audio_values[0]
        torch.testing.assert_close(decoded, reference[:, : codes.samples], rtol=0, atol=1e-5)
        assert isinstance(codes, Codes) and len(wanted.unique()) > 5


def test_what_is_not_read_is_named(tmp_path):
    transformers = pytest.importorskip("transformers")
    for settings, message in (({"pad_mode": "constant"}, "pad_mode"), ({"codebook_dim": 8}, "codebook_dim is 8")):
        transformers.EncodecModel(transformers.EncodecConfig(**SMALL, target_bandwidths=[30.0])).save_pretrained(tmp_path)
        changed = transformers.EncodecConfig(**SMALL, target_bandwidths=[30.0], **settings)
        changed.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match=message):
            load(tmp_path, device="cpu")
