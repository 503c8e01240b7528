#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg within): chapter marks in Ogg files are a second late, where they lie in the second half of a second.
#
# Seen: marks at 0.0, 1.4, 3.6 and 5.5 s, written into an Opus file and read back, are at 0.0, 1.4, 4.6 and 6.5 s; into Matroska and MP4 they
# come back as they were. Of an Ogg mark the whole seconds are rounded and the milliseconds are kept, so that 3.6 becomes "00:00:04.600".
# Who makes an audio book in Opus finds half of its chapters a second after they begin.
# Cure: write chapters into MP4 (.m4b), Matroska or MP3; or begin each in the first half of a second.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from fractions import Fraction

import av
import numpy as np

MILLISECOND = Fraction(1, 1000)
STARTS = (0, 1400, 3600, 5500, 7000)


def read_back(path: str, codec: str, form: str) -> list[float]:
    with av.open(path, "w", format=form) as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        marks = zip(STARTS, STARTS[1:])
        container.set_chapters([
            {"id": n, "start": a, "end": b, "time_base": MILLISECOND, "metadata": {"title": str(n)}} for n, (a, b) in enumerate(marks)
        ])
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 7 * 48000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(path) as container:
        return [round(float(mark["start"] * mark["time_base"]), 3) for mark in container.chapters()]


asked = [start / 1000 for start in STARTS[:-1]]
print("asked for", asked)
for path, codec, form in (("a.m4a", "aac", "mp4"), ("a.mka", "flac", "matroska")):
    found = read_back(path, codec, form)
    print(path, found)
    assert found == asked, "these keep them"
found = read_back("a.opus", "libopus", "ogg")
print("a.opus", found)
assert found == [0.0, 1.4, 4.6, 6.5], "these come a second late in the second half of a second"
PY
echo "as described"
