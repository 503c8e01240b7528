"""When sounds begin, found by their energy, and how well that is when they were asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation.metric import Frames, Ratio, metric, refuse_silence
from utils.audio import Audio
from utils.events import parse
from utils.files import read_text

if TYPE_CHECKING:
    from evaluation.pair import Pair, Recording

RATE = 16000
HOP = 160  # samples between two frames, 10 ms
WINDOW = 400
BEFORE = 12  # frames of which the loudest is what a sound rises from
AHEAD = 4  # frames over whose mean it has risen
RISE = 8.0  # dB
AUDIBLE = 30.0  # dB under the loudest frame of all bands, at which nothing is heard any more
FLOOR = 1e-10  # of power
APART = 0.12  # seconds between two onsets that are told apart
EDGES = (0, 180, 550, 1100, 1800, 2900, 4200, 8000)  # Hz, of the bands in which energy is watched
TOLERANCE = 0.2  # seconds by which an onset may be off
EVENTS = ".events"


def onsets(audio: Audio) -> Frames:
    """When sounds begin, (onsets,) seconds: where the energy of a band comes 8 dB above what it was in the 120 ms before. At 16 kHz."""
    levels = band_levels(audio.samples)
    padded = np.pad(levels, ((BEFORE + AHEAD, 0), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, BEFORE, axis=0)
    before = windows[: len(levels)].max(axis=-1)
    is_audible = levels > levels.max() - AUDIBLE
    rise = np.where(is_audible, levels - before, 0.0)
    above = rise.max(axis=1) > RISE
    was_above = np.roll(above, 1)
    was_above[:1] = False
    begins = np.flatnonzero(above & ~was_above)
    times = (begins + AHEAD // 2) * HOP / RATE
    return Frames(merged(times), 0.0, 1.0)


def band_levels(samples: np.ndarray) -> np.ndarray:
    """The energy of each band in dB, (frames, bands), of samples at 16 kHz; each the mean of a frame and those that follow."""
    half = WINDOW // 2
    ahead = (AHEAD - 1) * HOP
    precise = samples.astype(np.float64)
    padded = np.pad(precise, (half, half + ahead))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
    window = np.hanning(WINDOW)
    spectra = np.fft.rfft(windows[::HOP] * window)
    power = np.abs(spectra) ** 2
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    starts = np.searchsorted(hertz, EDGES[:-1])
    bands = np.add.reduceat(power, starts, axis=1)
    following = np.lib.stride_tricks.sliding_window_view(bands, AHEAD, axis=0)
    mean = following.mean(axis=-1)
    return 10 * np.log10(mean + FLOOR)


def merged(times: np.ndarray) -> np.ndarray:
    """Sorted times without those that come too soon after another to be told apart from it."""
    kept: list[float] = []
    for time in np.sort(times):
        if not kept or time - kept[-1] >= APART:
            kept.append(float(time))
    return np.array(kept)


def matched(asked: np.ndarray, found: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """How far each onset that was asked for and found is off, in seconds: each belongs to one of the other side at most.

    The nearest pairs are taken first.
    """
    distances = np.abs(asked[:, None] - found[None])
    errors = []
    while distances.size and distances.min() <= tolerance:
        nearest = distances.argmin()
        row, column = np.unravel_index(nearest, distances.shape)
        error = found[column] - asked[row]
        errors.append(error)
        distances[row] = np.inf
        distances[:, column] = np.inf
    return np.array(errors)


def asked_for(path: Path | None) -> np.ndarray | None:
    """The onsets of the events that lie beside a recording, <stem>.events; None where there are none."""
    file = path.with_suffix(EVENTS) if path else None
    if file is None or not file.is_file():
        return None
    starts = [event.start for event in parse(read_text(file))]
    return merged(np.array(starts))


def heard(recording: Recording, rate: int) -> np.ndarray:
    """The onsets of a recording, of a silent one none: under -60 dB the noise of nothing would have some."""
    return np.zeros(0) if recording.audio.silent else recording.view(onsets, rate).values


def _both(pair: Pair, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """The onsets that were asked for, those of the reference where nothing says it, and those that are found."""
    asked = asked_for(pair.ref.path)
    if asked is None:
        asked = heard(pair.ref, rate)
    return asked, heard(pair.deg, rate)


@metric("event_f1", kind="pair", of=onsets, rate=RATE, higher_is_better=True)
def event_f1(pair: Pair, rate: int) -> Ratio:
    """F1 of onsets within 0.2 s, over all files: those of <stem>.events beside the reference, else those found in it, against those
    found in the generated file by the rise of energy in seven bands.

    0 to 1, higher is better; at 16 kHz. Onsets within 0.12 s count as one. A silent generated file misses all that was asked for.
    """
    asked, found = _both(pair, rate)
    total = len(asked) + len(found)
    if not total:
        raise ValueError("no onset was asked for, and none is found.")
    hits = len(matched(asked, found))
    parts = {"hits": hits, "asked": len(asked), "found": len(found)}
    return Ratio(2 * hits, total, parts)


@metric("onset_error", kind="pair", of=onsets, rate=RATE, unit="s", higher_is_better=False)
def onset_error(pair: Pair, rate: int) -> float:
    """How far onsets are off, of those that event_f1 counts as found: the mean of the distances. 0 to 0.2, lower is better; at 16 kHz."""
    refuse_silence(None, pair.deg.audio)
    asked, found = _both(pair, rate)
    errors = matched(asked, found)
    if not len(errors):
        raise ValueError("no onset that was asked for is found within 0.2 s.")
    return float(np.abs(errors).mean())
