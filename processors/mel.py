"""Mel, linear magnitude and frame energy: one implementation, on numpy or on the GPU; what others do differently is a setting.

The default is the definition of HiFi-GAN (https://arxiv.org/abs/2010.05646), shared by BigVGAN, VITS and Amphion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from processors.clock import Padding, frame_count
from processors.filters import filter_bank
from utils.config import build
from utils.registry import pick


@dataclass(frozen=True, kw_only=True)
class MelConvention:
    """All in which mel spectrograms of equal sizes still differ from one program to the next.

    The value of a band is log(max(energy, floor)), then (value - mean) / std, then cut to `clip`.
    """

    padding: Padding = "same"  # what STFT calls so
    pad_mode: Literal["reflect", "constant"] = "reflect"
    epsilon: float = 1e-9  # under the root of the magnitude
    power: Literal[1, 2] = 1
    window_energy: bool = False  # divide by the root of the window's energy, torchaudio's normalized=True
    mel_scale: Literal["slaney", "htk"] = "slaney"
    norm: Literal["slaney", "none"] = "slaney"
    log: Literal["ln", "log10", "dB", "none"] = "ln"
    floor: float = 1e-5
    floor_added: bool = False  # log(energy + floor)
    range_db: float | None = None  # what lies further under the loudest band of the utterance is lifted to there
    mean: float = 0.0
    std: float = 1.0
    clip: tuple[float, float] | None = None

    def scale(self, energy: Tensor) -> Tensor:
        """What stands in the mel for the band energies (batch, frames, n_mel)."""
        value = energy
        if self.log != "none":
            value = energy + self.floor if self.floor_added else energy.clamp(min=self.floor)
            value = value.log() if self.log == "ln" else value.log10()
        if self.log == "dB":
            value = value * (20 / self.power)
        if self.range_db is not None:
            loudest = value.amax(dim=(-2, -1), keepdim=True)
            value = value.maximum(loudest - self.range_db)
        value = (value - self.mean) / self.std
        return value if self.clip is None else value.clamp(*self.clip)

    def energy(self, mel: Tensor) -> Tensor:
        """The band energies of a mel, which `scale` undoes."""
        value = mel * self.std + self.mean
        if self.log == "none":
            return value.clamp(min=0)
        if self.log == "dB":
            value = value * self.power / 20
        energy = value.exp() if self.log == "ln" else 10**value
        return (energy - self.floor).clamp(min=0) if self.floor_added else energy

    @property
    def silence(self) -> float:
        """The value of a band without energy."""
        return float(self.scale(torch.zeros(1, 1, 1)))


_TORCHAUDIO = {"padding": "center", "epsilon": 0.0, "mel_scale": "htk", "norm": "none"}
_LIBROSA = {"padding": "center", "pad_mode": "constant", "epsilon": 0.0}

MEL_CONVENTIONS = {
    "hifigan": MelConvention(),
    "vits": MelConvention(epsilon=1e-6),  # the loss of Amphion's VITS
    "nsfhifigan": MelConvention(epsilon=0.0),
    "tacotron2": MelConvention(padding="center", epsilon=0.0),
    "apnet": MelConvention(padding="center"),
    "melgan": MelConvention(epsilon=0.0, log="log10"),
    "vocos": MelConvention(**_TORCHAUDIO, floor=1e-7),
    "vevo": MelConvention(mean=-4.92, std=8.14**0.5),
    "facodec": MelConvention(**_TORCHAUDIO, power=2, floor_added=True, mean=-4.0, std=4.0),
    "diffwave": MelConvention(**_TORCHAUDIO, window_energy=True, log="dB", mean=-80.0, std=100.0, clip=(0.0, 1.0)),
    "wavernn": MelConvention(**_LIBROSA, log="dB", mean=-100.0, std=100.0, clip=(0.0, 1.0)),
    "parallelwavegan": MelConvention(padding="center", epsilon=0.0, log="log10", floor=1e-10),
    "librosa": MelConvention(**_LIBROSA, power=2, log="none"),
}


def convention_of(convention: str | MelConvention | Mapping[str, Any]) -> MelConvention:
    """The convention of that name, or with those fields. Raises ValueError with the names there are."""
    if isinstance(convention, str):
        return pick(MEL_CONVENTIONS, convention, "mel convention")
    if isinstance(convention, MelConvention):
        return convention
    if not isinstance(convention, Mapping):
        raise ValueError(f"mel.convention: a name ({', '.join(MEL_CONVENTIONS)}) or its fields are expected, got {convention!r}.")
    return build(MelConvention, dict(convention))


def frame_padding(features: Mapping[str, Mapping[str, Any]]) -> Padding:
    """Where the frames of a config's features stand: where its mel's do, or its spectrogram's where it has no mel.

    Raises ValueError when two of them name conventions whose frames lie half a hop apart.
    """
    named = {name: section.get("convention") for name, section in features.items() if name in ("mel", "linear", "energy")}
    if "mel" in named:
        named["mel"] = named["mel"] or "hifigan"
    paddings = {name: convention_of(given).padding for name, given in named.items() if given is not None}
    if len(set(paddings.values())) > 1:
        listed = ", ".join(f'{name} "{padding}"' for name, padding in paddings.items())
        raise ValueError(
            f"preprocess.features: the frames of a convention stand half a hop from those of another: {listed} (its padding). "
            "Give all of them the mel's convention."
        )
    return next(iter(paddings.values()), "same")


@dataclass(frozen=True, kw_only=True)
class MelSettings:
    """All that a mel spectrogram depends on. `fmin`, `fmax` in Hz; `fmax` None is half the rate.

    `convention` is a name of MEL_CONVENTIONS, or the fields of a `MelConvention`. Two that are equal make the same mels.
    """

    sample_rate: int
    hop_size: int  # samples
    n_fft: int = 1024
    win_size: int = 1024
    n_mel: int = 80
    fmin: float = 0.0
    fmax: float | None = None
    convention: str | MelConvention = "hifigan"

    def __post_init__(self) -> None:
        object.__setattr__(self, "convention", convention_of(self.convention))
        if self.fmax is None:
            object.__setattr__(self, "fmax", self.sample_rate / 2)

    @classmethod
    def of(cls, section: Mapping[str, Any] | MelSettings, common: Mapping[str, Any] | None = None) -> MelSettings:
        """Those of a config's section "mel", or of the arguments by name; `common` has sample_rate and hop_size."""
        if isinstance(section, MelSettings):
            return section
        given = dict(common or {})
        given.update(section)
        names = {field.name for field in fields(cls)}
        settings = {name: value for name, value in given.items() if name in names}
        return cls(**settings)


class STFT(nn.Module):
    """Samples (batch, samples) -> complex spectrum (batch, frames, n_fft // 2 + 1), always computed in float32.

    With padding "same" there are samples // hop frames, and frame i is centred on sample (i + 1/2) * hop;
    with "center" there is one more, and it is centred on sample i * hop.
    """

    def __init__(
        self,
        *,
        hop_size: int,
        n_fft: int = 1024,
        win_size: int = 1024,
        padding: Padding = "same",
        pad_mode: Literal["reflect", "constant"] = "reflect",
    ) -> None:
        super().__init__()
        if not 0 < hop_size <= win_size <= n_fft:
            raise ValueError(
                f"mel: 0 < hop_size <= win_size <= n_fft is needed, got hop_size {hop_size}, win_size {win_size}, n_fft {n_fft}."
            )
        self.hop_size = hop_size
        self.n_fft = n_fft
        self.win_size = win_size
        self.padding = padding
        self.pad_mode = pad_mode
        self.register_buffer("window", torch.hann_window(win_size), persistent=False)

    def forward(self, samples: Tensor, key_shift: float = 0.0) -> Tensor:
        """`key_shift` (semitones) stretches the window, so that the sound appears that much higher (openvpi's augmentation)."""
        factor = 2 ** (key_shift / 12)
        n_fft = round(self.n_fft * factor)
        win_size = round(self.win_size * factor)
        window = self.window.float()
        if key_shift:
            window = torch.hann_window(win_size, device=samples.device)
        with torch.autocast(samples.device.type, enabled=False):
            padded = self._pad(samples.float(), n_fft)
            spectrum = torch.stft(padded, n_fft, self.hop_size, win_size, window, center=False, return_complex=True)
        frames = self.frames(samples.shape[1])
        spectrum = spectrum.transpose(1, 2)[:, :frames]
        if not key_shift:
            return spectrum
        bins = self.n_fft // 2 + 1
        return F.pad(spectrum, (0, max(0, bins - spectrum.shape[2])))[..., :bins] * (self.win_size / win_size)

    def frames(self, samples: int) -> int:
        """How many frames a sound of that many samples has."""
        return frame_count(samples, self.hop_size, self.padding)

    @property
    def reach(self) -> int:
        """Frames on either side whose samples a window holds, or mirrors at an end."""
        return self.n_fft // (2 * self.hop_size) + 1

    def _pad(self, samples: Tensor, n_fft: int) -> Tensor:
        total = n_fft if self.padding == "center" else n_fft - self.hop_size
        left = total // 2
        right = total - left
        # Reflection needs more samples than it adds; a shorter sound is followed by silence.
        missing = max(0, right + 1 - samples.shape[1])
        if missing:
            samples = F.pad(samples, (0, missing))
        return F.pad(samples, (left, right), mode=self.pad_mode)


class MelSpectrogram(nn.Module):
    """Samples (batch, samples) in [-1, 1] -> mel (batch, frames, n_mel).

    Has no state to save. Raises ValueError when the sizes do not fit together.
    """

    def __init__(self, settings: MelSettings) -> None:
        super().__init__()
        convention = self.convention = settings.convention
        self.stft = STFT(
            hop_size=settings.hop_size,
            n_fft=settings.n_fft,
            win_size=settings.win_size,
            padding=convention.padding,
            pad_mode=convention.pad_mode,
        )
        bank = filter_bank(
            sample_rate=settings.sample_rate,
            n_fft=settings.n_fft,
            n_mel=settings.n_mel,
            fmin=settings.fmin,
            fmax=settings.fmax,
            mel_scale=convention.mel_scale,
            norm=convention.norm,
        )
        self.register_buffer("bank", bank, persistent=False)

    def forward(self, samples: Tensor, key_shift: float = 0.0) -> Tensor:
        """`key_shift`: semitones by which the sound is made to appear higher."""
        magnitude = self.linear(samples, key_shift)
        with torch.autocast(samples.device.type, enabled=False):
            return self.convention.scale(magnitude**self.convention.power @ self.bank.float())

    def linear(self, samples: Tensor, key_shift: float = 0.0) -> Tensor:
        """The magnitude spectrogram (batch, frames, n_fft // 2 + 1)."""
        spectrum = self.stft(samples, key_shift)
        if self.convention.window_energy:
            spectrum = spectrum / self.stft.window.square().sum().sqrt()
        return magnitude(spectrum, self.convention.epsilon)


class AmplitudePhase(nn.Module):
    """Samples (batch, samples) -> what APNet predicts (https://arxiv.org/abs/2305.07952), each (batch, frames, n_fft // 2 + 1).

    "log_amplitude" is ln(magnitude + 1e-5), "phase" is in radians, "real" and "imag" are the spectrum they come from.
    """

    def __init__(
        self, *, hop_size: int, n_fft: int = 1024, win_size: int = 1024, padding: Padding = "same"
    ) -> None:
        super().__init__()
        self.stft = STFT(hop_size=hop_size, n_fft=n_fft, win_size=win_size, padding=padding)

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        spectrum = self.stft(samples)
        amplitude = (spectrum.abs() + 1e-5).log()
        return {"log_amplitude": amplitude, "phase": spectrum.angle(), "real": spectrum.real, "imag": spectrum.imag}


def magnitude(spectrum: Tensor, epsilon: float) -> Tensor:
    """sqrt(re^2 + im^2 + epsilon) of a complex spectrum."""
    if not epsilon:
        return spectrum.abs()  # has a gradient where the spectrum is zero, which the root has not
    return (spectrum.real.square() + spectrum.imag.square() + epsilon).sqrt()


LEVELS = {"ln": "natural log of magnitude", "log10": "log10 of magnitude", "dB": "dB, scaled", "none": "magnitude"}  # by `MelConvention.log`


def mel_difference(a: Mapping[str, Any] | MelSettings, b: Mapping[str, Any] | MelSettings) -> list[str]:
    """How two mels differ, a line for each setting with both values; empty when one can stand for the other.

    `a`, `b`: `MelSettings`, or their fields by name; what they leave out is its default.
    """
    first = _flat(a)
    second = _flat(b)
    names = [name for name in first if first[name] != second[name]]
    return [f"{name} is {first[name]!r} here and {second[name]!r} there" for name in names]


def _flat(settings: Mapping[str, Any] | MelSettings) -> dict[str, Any]:
    """Every setting of a mel by name, those of its convention among them."""
    flat = asdict(MelSettings.of(settings))
    convention = flat.pop("convention")
    return {**flat, **convention}


SCALING = ("log", "mean", "std", "floor", "floor_added", "clip", "window_energy")  # what `mel_converted` can work out


def mel_converted(
    mel: np.ndarray, source: Mapping[str, Any] | MelSettings, target: Mapping[str, Any] | MelSettings
) -> np.ndarray:
    """`mel` (frames, n_mel) of the settings `source` as one of the settings `target`, where only the scale differs.

    The scale is the base of the logarithm, mean and deviation, floor and clip, and what a window's energy does to all.
    Raises ValueError naming both values of whatever else differs, and of a floor or clip that has cut away what is wanted.
    """
    differences = mel_difference(source, target)
    if not differences:
        return mel
    a = MelSettings.of(source)
    b = MelSettings.of(target)
    old = a.convention
    new = b.convention
    hard = [line for line in differences if line.split(" ")[0] not in SCALING]
    ratio = _gain(b) / _gain(a)
    low = _least(old) * ratio
    lowest = _least(new)
    if not hard and low > lowest * 1.0001:
        hard = [line for line in differences if line.split(" ")[0] in ("log", "floor", "clip", "mean", "std", "window_energy")]
        hard.append(f"the least energy is {low:.3g} here and {lowest:.3g} there")
    if not hard and old.clip is not None and new.clip is None and (mel >= old.clip[1]).any():
        hard = [f"clip is {old.clip} here and None there, and the loudest bands were cut"]
    if hard:
        raise ValueError("a mel of other settings than those that are read:\n  " + "\n  ".join(hard))
    return new.scale(old.energy(torch.from_numpy(np.asarray(mel, dtype=np.float64))) * ratio).float().numpy()


def _gain(settings: MelSettings) -> float:
    """What the convention's treatment of the window multiplies a band's energy by."""
    if not settings.convention.window_energy:
        return 1.0
    window = float(torch.hann_window(settings.win_size).square().sum().sqrt())
    return window**-settings.convention.power


def _least(how: MelConvention) -> float:
    """The least band energy that a mel tells from others."""
    least = 0.0 if how.log == "none" or how.floor_added else how.floor
    return least if how.clip is None else max(least, float(how.energy(torch.tensor(how.clip[0], dtype=torch.float64))))
