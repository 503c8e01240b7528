"""Pictures for TensorBoard and for a recipe's folder: mels with F0 and phones, tables of numbers. No display is needed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

GREY = "#555555"
F0_COLOUR = "#7fffd4"
FEW_NAMES = 12  # up to which a table has its numbers written in
Row = Mapping[str, Any]  # arrays by name, see `mels`
CJK_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC", "SimHei")


TICKS = (50, 100, 200, 500, 1000, 2000, 4000, 8000, 16000)  # Hz, as far as a mel reaches
CLOSEST = 0.07  # of its height, that two of them may stand apart


@dataclass(frozen=True)
class Scale:
    """What the axes of a mel count: seconds a frame, 0 to count frames; the centre of each band in Hz; and what its values are."""

    frame_seconds: float = 0.0
    band_hertz: np.ndarray | None = None
    level: str = "level"


def compare(recorded: Row, generated: Row, *, title: str = "", scale: Scale = Scale()) -> Figure:
    """The recording above what was generated in its place; arrays and options as in `mels`. One without a mel is left out."""
    rows = {"recorded": recorded, "generated": generated}
    drawn = {name: row for name, row in rows.items() if "mel" in row}
    return mels(drawn, title=title, scale=scale)


def mels(rows: Mapping[str, Row], *, title: str = "", scale: Scale = Scale()) -> Figure:
    """Mels above one another under their names, on one scale of colour, of time and of F0.

    Each row has "mel" (frames, n_mel); it may have "f0" (frames,) Hz, 0 = unvoiced, and "phones" with "duration", each (tokens,),
    in frames. `scale` says what the axes count. Raises ValueError without a row.
    """
    if not rows:
        raise ValueError("there is no mel to draw.")
    scales = _Scales.of(list(rows.values()), scale.frame_seconds)
    seconds = scales.frames * (scale.frame_seconds or 0.011)
    width = min(18.0, max(8.0, 2.8 * seconds))
    height = 0.6 + 2.6 * len(rows)
    figure = _figure(width=width, height=height, title=title)
    axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    image = None
    for axis, (name, row) in zip(axes, rows.items(), strict=True):
        image = _draw_row(axis, name, row, scales)
        bands = row["mel"].shape[1]
        _label_bands(axis, name, bands, scale.band_hertz)
    unit = "seconds" if scale.frame_seconds else "frames"
    axes[-1].set_xlabel(unit)
    aspect = 12 * len(rows)
    figure.colorbar(image, ax=list(axes), label=scale.level, pad=0.01, aspect=aspect, fraction=0.02)
    return figure


def matrices(tables: Mapping[str, np.ndarray], names: Sequence[str], *, across: str = "", along: str = "") -> Figure:
    """Square tables (names, names) beside one another on one scale, numbers written in while they are few; nan stays empty."""
    cell = 0.55 if len(names) <= FEW_NAMES else 0.16  # inches
    side = 1.2 + cell * len(names)
    longest = max(map(len, names))
    room = 0.07 * longest  # inches, for the longest name
    width = max(4.0, 1.2 + room + side * len(tables))
    height = 1.0 + room + side
    figure = _figure(width=width, height=height, title="")
    axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    values = np.concatenate([table.ravel() for table in tables.values()])
    limits = (np.nanmin(values), np.nanmax(values))
    image = None
    for axis, (title, table) in zip(axes, tables.items(), strict=True):
        image = _draw_matrix(axis, table, names, limits)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(across)
    axes[0].set_ylabel(along)
    figure.colorbar(image, ax=list(axes), pad=0.01)
    return figure


def figure_image(figure: Figure) -> np.ndarray:
    """The picture as (height, width, 3) uint8, as TensorBoard takes it with dataformats="HWC"."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def save(figure: Figure, path: str | Path) -> Path:
    """Writes the picture as PNG, whole or not at all."""
    return write_whole(Path(path), lambda p: figure.savefig(p, format="png"))


def _figure(*, width: float, height: float, title: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not through pyplot, which would keep every figure of a training run alive.
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(textwrap.fill(title, int(11 * width)), fontsize=10, fontfamily=_fonts(), parse_math=False)
    return figure


def _fonts() -> list[str]:
    """A font for the phonetic alphabet, then those for Chinese and Japanese that this machine has."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *[font for font in CJK_FONTS if font in installed]]


@dataclass(frozen=True)
class _Scales:
    """What several mels share: the length of a frame and of the longest row, the limits of their colours and of F0 in Hz."""

    unit: float
    frames: int
    colours: tuple[float, float]
    hertz: tuple[float, float] | None

    @classmethod
    def of(cls, rows: Sequence[Row], frame_seconds: float) -> _Scales:
        levels = np.concatenate([row["mel"].ravel() for row in rows])
        low, high = np.percentile(levels, [1, 99.9])
        voiced = [row["f0"][row["f0"] > 0] for row in rows if "f0" in row]
        hertz = np.concatenate([np.zeros(0), *voiced])
        limits = (0.6 * hertz.min(), 1.4 * hertz.max()) if len(hertz) else None
        return cls(
            unit=frame_seconds or 1.0,
            frames=max(len(row["mel"]) for row in rows),
            colours=(low, high),
            hertz=limits,
        )


def _draw_row(axis: Axes, name: str, row: Row, scales: _Scales) -> AxesImage:
    image = _draw_mel(axis, row["mel"], scales)
    axis.set_xlim(0, scales.frames * scales.unit)
    if "phones" in row and "duration" in row:
        _draw_phones(axis, row["phones"], row["duration"], scales.unit)
    if "f0" in row and scales.hertz:
        _draw_f0(axis, row["f0"], scales.unit, scales.hertz)
    return image


def _label_bands(axis: Axes, name: str, bands: int, hertz: np.ndarray | None) -> None:
    """The frequencies of the bands beside them; their numbers where it is not known, or known of other bands."""
    known = hertz is not None and len(hertz) == bands
    unit = "Hz" if known else "mel band"
    axis.set_ylabel(f"{name}\n{unit}" if name else unit)
    if not known:
        return
    every = np.arange(bands)
    places: list[float] = []
    labels: list[str] = []
    for tick in TICKS:
        place = np.interp(tick, hertz, every, left=np.nan, right=np.nan)
        near = bool(places) and place - places[-1] < CLOSEST * bands
        if near or np.isnan(place):
            continue
        places.append(place)
        labels.append(str(tick))
    axis.set_yticks(places, labels)


def _draw_mel(axis: Axes, mel: np.ndarray, scales: _Scales) -> AxesImage:
    frames, bands = mel.shape
    low, high = scales.colours
    length = frames * scales.unit
    box = (0, length, -0.5, bands - 0.5)
    axis.set_facecolor("#eeeeee")
    return axis.imshow(mel.T, origin="lower", aspect="auto", extent=box, cmap="magma", vmin=low, vmax=high)


def _draw_phones(axis: Axes, phones: Sequence[str], duration: np.ndarray, unit: float) -> None:
    start = 0
    for i, (label, frames) in enumerate(zip(phones, duration, strict=True)):
        if start:
            axis.axvline(start * unit, color="white", linewidth=0.6, alpha=0.6)
        # In two heights, so that the labels of short neighbours do not meet.
        axis.annotate(
            str(label),
            ((start + frames / 2) * unit, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2 + 8 * (i % 2)),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            color=GREY,
            parse_math=False,
        )
        start += frames


def _draw_f0(axis: Axes, f0: np.ndarray, unit: float, limits: tuple[float, float]) -> None:
    from matplotlib.patheffects import Normal, Stroke

    right = axis.twinx()
    outline = [Stroke(linewidth=3.2, foreground="black", alpha=0.6), Normal()]
    centres = (np.arange(len(f0)) + 0.5) * unit
    voiced = np.where(f0 > 0, f0, np.nan)
    right.plot(centres, voiced, color=F0_COLOUR, linewidth=1.6, path_effects=outline)
    right.set(xlim=axis.get_xlim(), ylim=limits)
    right.set_ylabel("F0 (Hz)", color=GREY)
    right.tick_params(axis="y", colors=GREY)


def _draw_matrix(axis: Axes, table: np.ndarray, names: Sequence[str], limits: tuple[float, float]) -> AxesImage:
    low, high = limits
    image = axis.imshow(table, vmin=low, vmax=high, cmap="viridis", aspect="equal")
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7, parse_math=False)
    axis.set_yticks(range(len(names)), names, fontsize=7, parse_math=False)
    if len(names) > FEW_NAMES:
        return image
    for (row, column), value in np.ndenumerate(table):
        if np.isnan(value):
            continue
        colour = "black" if value > (low + high) / 2 else "white"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    return image
