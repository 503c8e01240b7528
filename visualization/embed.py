"""What makes a page whole in one file: sounds and pictures as data URIs, text that cannot break out, a policy that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from utils.audio import Audio
from utils.registry import pick

FOLDER = Path(__file__).parent / "page"
CODECS = {  # soundfile's format and subtype, the type that a browser knows, the highest rate it takes
    "mp3": ("MP3", "MPEG_LAYER_III", "audio/mpeg", 48000),
    "ogg": ("OGG", "VORBIS", "audio/ogg", 48000),
    "flac": ("FLAC", "PCM_16", "audio/flac", 192000),
}
BANDS, FRAMES, RANGE_DB = 96, 360, 70.0  # of a picture, in pixels, and how far under the loudest it still shows


def assemble(name: str, *, title: str, style: str, script: str, data: Any, **parts: str) -> str:
    """The page `name`.html with `style` and `script` (names of files beside it) inside, `data` as JSON, and `parts`, which are HTML.

    Its policy allows this very script and style, and pictures and sounds of the page itself: nothing else runs, nothing is fetched.
    """
    css, js = ((FOLDER / file).read_text(encoding="utf-8") for file in (style, script))
    rules = {
        "default-src": "'none'", "script-src": _hash(js), "style-src": _hash(css), "img-src": "data:", "media-src": "data:",
        "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    policy = "; ".join(f"{key} {value}" for key, value in rules.items())
    values = {"title": html.escape(title), "policy": html.escape(policy), "style": css, "script": js, "data": as_json(data), **parts}
    # One pass: what was put in is not looked at again, whatever it says.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], (FOLDER / f"{name}.html").read_text(encoding="utf-8"))


def as_json(data: Any) -> str:
    """JSON that may stand in a script element: no character of it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def sound_uri(audio: Audio, codec: str = "mp3") -> str:
    """The sound as a data URI; a rate that the codec does not know is brought to 24 or 48 kHz."""
    import soundfile

    form, subtype, kind, highest = pick(CODECS, codec, "codec")
    if audio.rate > highest or (codec == "mp3" and audio.rate not in (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)):
        audio = audio.resample(48000 if audio.rate > 24000 else 24000)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(audio.samples, -1.0, 1.0), audio.rate, format=form, subtype=subtype)
    return data_uri(kind, buffer.getvalue())


def picture_uri(audio: Audio, seconds: float, highest: float = 8000.0) -> str:
    """A mel spectrogram up to `highest` Hz as a PNG of one byte a pixel, time running over `seconds`; grey where nothing was recorded."""
    from PIL import Image

    image = Image.fromarray(spectrogram(audio, seconds, highest)[::-1])
    image.putpalette(_palette())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())


def spectrogram(audio: Audio, seconds: float, highest: float) -> np.ndarray:
    """Levels 1 (floor) to 255 (loudest), 0 where the sound is over: (bands, frames) uint8, low bands first."""
    import librosa

    n_fft = 2 ** round(np.log2(0.046 * audio.rate))
    padded = np.pad(audio.samples, n_fft // 2)
    times = ((np.arange(FRAMES) + 0.5) / FRAMES * seconds * audio.rate).astype(int)
    starts = times[times < len(audio.samples)]
    frames = padded[starts[:, None] + np.arange(n_fft)] * np.hanning(n_fft)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    bank = librosa.filters.mel(sr=audio.rate, n_fft=n_fft, n_mels=BANDS, fmax=min(highest, audio.rate / 2))
    mel = 10 * np.log10(np.maximum(bank @ power.T, 1e-10))
    levels = np.zeros((BANDS, FRAMES), dtype=np.uint8)
    level = 1 + 254 * (1 + (mel - max(mel.max(initial=-100.0), -60.0)) / RANGE_DB)
    levels[:, : len(starts)] = np.clip(level, 1, 255)
    return levels


def data_uri(kind: str, content: bytes) -> str:
    """`content` of the media type `kind` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _palette() -> list[int]:
    from matplotlib import colormaps

    colours = (colormaps["magma"](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(int)
    colours[0] = (128, 128, 128)
    return colours.ravel().tolist()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
