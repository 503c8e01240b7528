"""Features with clocks of their own: what stands at the centre of each of the model's frames, exactly, in any stretch."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from processors.clock import Clock, covered, frame_clock, frame_count, nearest, placed

# (sample rate, hop) of a model's frames; (frames a second, first centre) of a feature.
GRIDS = [(22050, 256), (24000, 320), (44100, 512), (16000, 200), (24000, 300), (16000, 320), (7, 3)]
CLOCKS = [
    Clock(50, Fraction(200, 16000)),
    Clock(50),
    Clock(75, Fraction(1, 150)),
    Clock(80),
    Clock(Fraction(25, 2), Fraction(1, 25)),
    Clock(100, Fraction(1, 10)),
    Clock(Fraction(22050, 256), Fraction(128, 22050)),
    Clock(Fraction(7, 3)),
    Clock(1000),
]
PAIRS = list(itertools.product(GRIDS, ("same", "center"), CLOCKS))


def by_hand(grid, own, frame, length):
    """The nearest of all centres, the earlier of two."""
    moment = grid.first + frame / grid.rate
    return min(range(length), key=lambda j: (abs(own.first + j / own.rate - moment), j))


@pytest.mark.parametrize(("sizes", "padding", "own"), PAIRS)
def test_the_nearest_centre_is_taken_the_earlier_of_two(sizes, padding, own):
    grid = frame_clock(*sizes, padding)
    for length in (1, 2, 7, 40):
        expected = [by_hand(grid, own, frame, length) for frame in range(60)]
        assert nearest(grid, own, 0, 60, length).tolist() == expected
        assert nearest(grid, own, 23, 9, length).tolist() == expected[23:32]
        values = np.arange(2 * length, dtype=np.int32).reshape(length, 2)
        np.testing.assert_array_equal(placed(values, grid, own, 23, 9), values[expected[23:32]])


@pytest.mark.parametrize(("sizes", "padding", "own"), PAIRS)
def test_a_line_between_two_centres(sizes, padding, own):
    grid = frame_clock(*sizes, padding)
    length = 9
    values = np.random.default_rng(0).standard_normal((length, 2)).astype(np.float32)
    expected = []
    for frame in range(40):
        place = (grid.first + frame / grid.rate - own.first) * own.rate
        place = min(max(place, Fraction(0)), Fraction(length - 1))
        low = int(place)
        high = min(low + 1, length - 1)
        expected.append(values[low] * float(1 - (place - low)) + values[high] * float(place - low))
    np.testing.assert_allclose(placed(values, grid, own, 0, 40, linear=True), expected, atol=1e-6)
    np.testing.assert_allclose(placed(values, grid, own, 11, 8, linear=True), expected[11:19], atol=1e-6)


@pytest.mark.parametrize(("sizes", "padding", "own"), PAIRS)
def test_as_many_frames_are_covered_as_need_no_frame_behind_the_last(sizes, padding, own):
    grid = frame_clock(*sizes, padding)
    for length in (1, 2, 7, 40):
        free = nearest(grid, own, 0, 5000, 10**6)
        assert covered(length, grid, own) == np.searchsorted(free, length)


def test_frames_tell_the_time_of_their_centre():
    """Frames of 256 samples at 22,050 Hz against 50 a second: what is picked is never more than half of 20 ms away."""
    grid = frame_clock(22050, 256, "same")
    own = Clock(50, Fraction(200, 16000))
    frames = frame_count(22050 * 600, 256, "same")  # ten minutes, after which a rounded rate would be frames off
    times = np.arange(30_000) / 50 + 0.0125
    found = placed(times, grid, own, 0, frames)
    centres = (np.arange(frames) + 0.5) * 256 / 22050
    inside = centres < times[-1]
    assert np.abs(found - centres)[inside].max() <= 0.01 + 1e-12 and (centres > times[0]).sum() > 51_000


def test_a_clock_is_exact_or_refused():
    for wrong in ({"rate": 50.0}, {"rate": 50, "first": 0.0125}, {"rate": 0}, {"rate": Fraction(-1, 2)}):
        with pytest.raises(ValueError, match="a clock"):
            Clock(**wrong)
    with pytest.raises(ValueError, match="cannot be matched"):
        nearest(Clock(Fraction(86.1328125)), Clock(Fraction(0.1), Fraction(1 / 3)), 0, 10**6, 10)


def test_no_more_is_read_of_an_array_on_disk_than_is_needed(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(1000))
    asked = []

    class Watched(np.memmap):
        def __getitem__(self, key):
            asked.append(key)
            return super().__getitem__(key)

    array = np.load(tmp_path / "a.npy", mmap_mode="r").view(Watched)
    assert placed(array, Clock(100), Clock(50), 100, 4).tolist() == [50, 50, 51, 51]
    assert asked == [slice(50, 52)]
