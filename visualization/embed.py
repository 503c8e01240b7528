"""What makes a page whole in one file: sounds and pictures as data URIs, text that cannot break out, a policy that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.audio import Audio
from utils.registry import pick

FOLDER = Path(__file__).parent / "page"
BANDS, FRAMES = 96, 360  # of a picture, in pixels
WINDOW_SECONDS = 0.046
RANGE_DB = 70.0  # how far under the loudest a picture still shows
QUIETEST_DB = -60.0  # that the loudest is taken for: silence stays dark
MP3_RATES = frozenset((8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000))


@dataclass(frozen=True)
class Codec:
    """How soundfile writes a sound, and what a browser calls it. `rates` in Hz: all up to `highest_rate` where there is no list."""

    format: str
    subtype: str
    media_type: str
    highest_rate: int
    rates: frozenset[int] = frozenset()

    def takes(self, rate: int) -> bool:
        """Whether a sound of this rate can be written as it is."""
        return rate <= self.highest_rate and (not self.rates or rate in self.rates)


CODECS = {
    "mp3": Codec("MP3", "MPEG_LAYER_III", "audio/mpeg", 48000, MP3_RATES),
    "ogg": Codec("OGG", "VORBIS", "audio/ogg", 48000),
    "flac": Codec("FLAC", "PCM_16", "audio/flac", 192000),
}


def assemble(name: str, *, title: str, style: str, script: str, data: Any, served: bool = False, **parts: str) -> str:
    """The page with the body `name`.html, `style` and `script` (names of files beside it), `data` as JSON, and `parts`, which are HTML.

    Its policy allows this very script and style, and pictures and sounds of the page itself: nothing else runs, nothing is fetched; where it
    is `served`, what its own server gives besides.
    """
    body = _template(f"{name}.html")
    template = _template("page.html").replace("{{body}}\n", body)
    css = _template(style)
    code = _template(script)
    values = {
        "title": html.escape(title),
        "policy": html.escape(_policy(css, code, served)),
        "style": css,
        "script": code,
        "data": as_json(data),
        **parts,
    }
    # One pass: what was put in is not looked at again, whatever it says.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: values[place[1]], template)


def as_json(data: Any) -> str:
    """JSON that may stand in a script element: no character of it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def sound_uri(audio: Audio, codec: str = "mp3") -> str:
    """The sound as a data URI; a rate that the codec does not know is brought to 24 or 48 kHz."""
    import soundfile

    chosen = pick(CODECS, codec, "codec")
    if not chosen.takes(audio.rate):
        audio = audio.resample(48000 if audio.rate > 24000 else 24000)
    samples = np.clip(audio.samples, -1.0, 1.0)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, audio.rate, format=chosen.format, subtype=chosen.subtype)
    return data_uri(chosen.media_type, buffer.getvalue())


def picture_uri(audio: Audio, seconds: float, highest: float = 8000.0) -> str:
    """A mel spectrogram up to `highest` Hz as a PNG of one byte a pixel, time running over `seconds`; grey where nothing was recorded."""
    from PIL import Image

    levels = spectrogram(audio, seconds, highest)
    image = Image.fromarray(levels[::-1])
    image.putpalette(_palette())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())


def spectrogram(audio: Audio, seconds: float, highest: float) -> np.ndarray:
    """Levels 1 (floor) to 255 (loudest), 0 where the sound is over: (bands, frames) uint8, low bands first."""
    import librosa

    window = WINDOW_SECONDS * audio.rate
    n_fft = 2 ** round(np.log2(window))
    highest = min(highest, audio.rate / 2)
    bank = librosa.filters.mel(sr=audio.rate, n_fft=n_fft, n_mels=BANDS, fmax=highest)
    power = _power(audio, seconds, n_fft)
    energies = np.maximum(bank @ power.T, 1e-10)
    decibels = 10 * np.log10(energies)
    loudest = max(decibels.max(initial=-100.0), QUIETEST_DB)
    heights = 1 + (decibels - loudest) / RANGE_DB  # 0 at the floor, 1 at the loudest
    levels = np.zeros((BANDS, FRAMES), dtype=np.uint8)
    levels[:, : len(power)] = np.clip(1 + 254 * heights, 1, 255)
    return levels


def _power(audio: Audio, seconds: float, n_fft: int) -> np.ndarray:
    """Power spectra (frames, bins) at the FRAMES middles of `seconds`, those that lie within the sound."""
    shares = (np.arange(FRAMES) + 0.5) / FRAMES
    places = (shares * seconds * audio.rate).astype(int)
    starts = places[places < len(audio.samples)]  # half a frame of zeros lies before the sound
    padded = np.pad(audio.samples, n_fft // 2)
    offsets = np.arange(n_fft)
    frames = padded[starts[:, None] + offsets]
    window = np.hanning(n_fft)
    windowed = frames * window
    spectra = np.fft.rfft(windowed, axis=1)
    return np.abs(spectra) ** 2


def data_uri(kind: str, content: bytes) -> str:
    """`content` of the media type `kind` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _template(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _policy(css: str, code: str, served: bool) -> str:
    """A Content-Security-Policy: this script, this style, pictures and sounds that the page holds, and nothing from outside."""
    rules = {
        "default-src": "'none'",
        "script-src": _source(code),
        "style-src": _source(css),
        "img-src": "data:",
        "media-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    if served:
        rules |= {"img-src": "'self'", "media-src": "'self'", "connect-src": "'self'"}
    return "; ".join(f"{rule} {source}" for rule, source in rules.items())


def _source(text: str) -> str:
    """`text` as a policy names it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _palette() -> list[int]:
    """Red, green, blue of each level, one after another."""
    from matplotlib import colormaps

    colours = colormaps["magma"](np.linspace(0, 1, 256))[:, :3]
    palette = (colours * 255).round().astype(int)
    palette[0] = 128  # grey, where the sound is over
    return palette.ravel().tolist()
