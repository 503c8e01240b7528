#!/usr/bin/env bash
# torchaudio 2.11.0: the loudness of loud sound is too low, as its K-weighting is clipped to full scale.
#
# Seen: a 5 kHz tone at 0.9 of full scale, which ITU-R BS.1770-4 gives -0.65 LUFS (pyloudnorm 0.1.1), is -2.36 LUFS by
# torchaudio.functional.loudness; at 0.05 of full scale both say -25.75. The standard's first filter lifts what is above 2 kHz by 4 dB,
# and torchaudio's filters (treble_biquad, highpass_biquad) clamp what they give to -1 .. 1, without an option to leave that out.
# Who normalises mastered music by it makes it too loud: by 1.7 LU here, and the more, the brighter it is.
# Cure: scale the sound down by 20 dB, measure, and add 20 dB; or measure with pyloudnorm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uv
"$folder/venv/bin/uv" pip install --quiet --python "$folder/venv" torch==2.11.0 torchaudio==2.11.0 pyloudnorm==0.1.1 numpy==2.2.6 scipy==1.15.3 "setuptools<81"
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import pyloudnorm
import torch
from torchaudio.functional import loudness

RATE = 48000
time = np.arange(3 * RATE) / RATE
tone = np.sin(2 * np.pi * 5000 * time)


def levels(peak: float) -> tuple[float, float]:
    sound = peak * tone
    theirs = loudness(torch.from_numpy(sound)[None], RATE).item()
    return theirs, pyloudnorm.Meter(RATE).integrated_loudness(sound)


for peak in (0.05, 0.9):
    theirs, standard = levels(peak)
    print(f"peak {peak}: torchaudio {theirs:.2f} LUFS, pyloudnorm {standard:.2f}")
quiet = levels(0.05)
loud = levels(0.9)
assert abs(quiet[0] - quiet[1]) < 0.1, "of a quiet tone they said the same"
assert loud[1] - loud[0] > 1, "of a loud one torchaudio said less"
cured = loudness(torch.from_numpy(0.09 * tone)[None], RATE).item() + 20
print(f"measured 20 dB down: {cured:.2f}")
assert abs(cured - loud[1]) < 0.1
PY
echo "as described"
