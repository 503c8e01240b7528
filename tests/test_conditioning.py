"""The condition of singing voice conversion: which parts there are, how they are put together, and that padding has no say."""

import pytest
import torch

from modules.conditioning import Conditioner, Conditions, coarse_f0

CHANNELS = {"whisper": 6, "contentvec": 4, "speaker_vector": 5}
SMALL = {"content_width": 8, "melody_width": 8, "loudness_width": 8, "speaker_width": 8}
BOTH = ("whisper", "contentvec")


def encoder(contents=BOTH, **settings) -> Conditioner:
    torch.manual_seed(0)
    return Conditions(**{**SMALL, **settings}).network(CHANNELS, contents, 3).eval()


def inputs(frames=9):
    random = torch.Generator().manual_seed(0)
    contents = {}
    for name in BOTH:
        contents[name] = torch.randn(2, frames, CHANNELS[name], generator=random)
    f0 = 100 + 300 * torch.rand(2, frames, generator=random)
    f0[:, ::3] = 0
    energy = 10 * torch.rand(2, frames, generator=random)
    speaker = torch.tensor([0, 2])
    return contents, f0, energy, speaker


def test_added_it_is_as_wide_as_a_part_and_side_by_side_as_all_of_them():
    assert encoder()(*inputs()).shape == (2, 9, 8) and encoder().channels == 8
    beside = encoder(merge="concat", melody_width=3, loudness_width=5, speaker_width=2)
    assert beside(*inputs()).shape == (2, 9, 3 + 5 + 8 + 8 + 2) and beside.channels == 26


def test_the_parts_stand_in_the_published_order():
    beside = encoder(merge="concat", melody_width=3, loudness_width=5, speaker_width=2)
    contents, f0, energy, speaker = inputs()
    plain = beside(contents, f0, energy, speaker)
    other_whisper = contents | {"whisper": contents["whisper"] + 1}
    other_contentvec = contents | {"contentvec": contents["contentvec"] + 1}
    changes = {
        "melody": beside(contents, f0 * 1.5, energy, speaker),
        "loudness": beside(contents, f0, energy * 3, speaker),
        "whisper": beside(other_whisper, f0, energy, speaker),
        "contentvec": beside(other_contentvec, f0, energy, speaker),
        "speaker": beside(contents, f0, energy, speaker.flip(0)),
    }
    places = {"melody": (0, 3), "loudness": (3, 8), "whisper": (8, 16), "contentvec": (16, 24), "speaker": (24, 26)}
    for name, changed in changes.items():
        moved = torch.nonzero((changed != plain).any(0).any(0))[:, 0]
        first, last = places[name]
        assert first <= moved.min() and moved.max() < last, name


@pytest.mark.parametrize("left_out, index", [("content_width", 0), ("melody_width", 1), ("loudness_width", 2), ("speaker_width", 3)])
def test_a_part_of_width_0_is_left_out(left_out, index):
    whole = encoder()
    without = encoder(**{left_out: 0})
    given = list(inputs())
    before = without(*given)
    given[index] = {} if index == 0 else None
    after = without(*given)
    torch.testing.assert_close(after, before)
    assert len(without.state_dict()) < len(whole.state_dict())


def test_a_frame_without_f0_says_so():
    contents, f0, energy, speaker = inputs()
    network = encoder()
    silent = f0 == 0
    never = torch.zeros_like(silent)
    derived = network(contents, f0, energy, speaker)
    given = network(contents, f0, energy, speaker, unvoiced=silent)
    other = network(contents, f0, energy, speaker, unvoiced=never)
    torch.testing.assert_close(derived, given)
    moved = (other != derived).any(-1)
    assert moved.equal(silent)


def test_bins_of_f0_are_evenly_apart_in_mel():
    ends = torch.tensor([0.0, 20.0, 50.0, 1100.0, 4000.0])
    assert coarse_f0(ends, 256, 50.0, 1100.0).tolist() == [1, 1, 1, 255, 255]
    hertz = torch.linspace(50, 1100, 2000)
    bins = coarse_f0(hertz, 256, 50.0, 1100.0)
    mel = 1127 * (1 + hertz / 700).log()
    low = mel[0]
    width = (mel[-1] - low) / 254
    places = (mel - low) / width + 1
    away = (places - bins).abs()
    assert away.max() <= 0.501


def test_a_speaker_may_be_a_vector_of_a_recording():
    by_vector = encoder(speakers="vectors")
    contents, f0, energy, _ = inputs()
    voices = torch.randn(2, 5)
    assert (by_vector(contents, f0, energy, voices) != by_vector(contents, f0, energy, -voices)).any()


@pytest.mark.parametrize("see_padding", [False, True])
def test_padding_has_a_say_in_the_conformer_only_where_published_weights_let_it(see_padding):
    network = encoder(conformer=True, see_padding=see_padding)
    contents, f0, energy, speaker = inputs()
    frames = torch.tensor([6, 9])
    before = network(contents, f0, energy, speaker, frames=frames)
    contents["whisper"][0, 6:] += 3
    after = network(contents, f0, energy, speaker, frames=frames)
    shorter = after[0, :6]
    same = torch.equal(before[0, :6], shorter)
    assert same is not see_padding
    if not see_padding:
        own = {name: value[:1, :6] for name, value in contents.items()}
        melody = f0[:1, :6]
        loudness = energy[:1, :6]
        alone = network(own, melody, loudness, speaker[:1])
        torch.testing.assert_close(alone[0], shorter, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings, told", [
    ({"melody_width": 5}, r"unequal widths .*concat"),
    ({"melody_bins": 0}, "unequal widths"),
    ({"loudness_bins": 2}, "condition.loudness_bins: 3 or more"),
    ({"contents": ("mert",)}, "width of mert is not known; known: whisper, contentvec"),
    ({"contents": (), "melody_width": 0, "loudness_width": 0, "speaker_width": 0}, "every part is left out"),
    ({"conformer": True, "contents": ("speaker_vector",)}, "5 channels cannot be shared by 2 heads"),
])  # fmt: skip
def test_settings_that_do_not_fit_are_said(settings, told):
    with pytest.raises(ValueError, match=told):
        encoder(**settings)


def test_a_content_that_is_missing_is_named():
    contents, *others = inputs()
    with pytest.raises(ValueError, match="'contentvec' is missing.*given: whisper"):
        encoder()({"whisper": contents["whisper"]}, *others)
