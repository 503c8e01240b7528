#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): what one reads from the middle of an MP3 or near the end of an Ogg Vorbis file is
# not the same stretch of what one reads from the whole file.
#
# Seen: of 200 sections of an MP3 at 22,050 Hz 38 begin with up to 204 damaged samples, and no exception tells (libmpg123 writes
# a line to the error stream); the last eighth of a second of an Ogg Vorbis file comes 88 samples late. FLAC and WAV are exact.
# Cure: begin to read 2,304 samples earlier in an MP3 and throw them away; read an Ogg file from its start.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import soundfile

rate = 22050
random = np.random.default_rng(0)
noise = np.cumsum(random.standard_normal(rate * 20))
sound = noise - np.convolve(noise, np.ones(64) / 64, "same")
sound = (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def sections(path: str, starts: np.ndarray) -> list[np.ndarray]:
    """|section - the same stretch of the whole|, for 0.25 s from each start."""
    whole, _ = soundfile.read(path, dtype="float32")
    found = []
    for start in starts:
        with soundfile.SoundFile(path) as file:
            file.seek(int(start))
            part = file.read(rate // 4, dtype="float32")
        found.append(np.abs(part - whole[start : start + len(part)]))
    return found


print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
starts = random.integers(rate, len(sound) - rate, 200)
damaged = {}
for name in ("wav", "flac", "mp3"):
    soundfile.write(f"sound.{name}", sound, rate)
    worst = [error.nonzero()[0].max(initial=-1) + 1 for error in (e > 0.001 for e in sections(f"sound.{name}", starts))]
    damaged[name] = (sum(w > 0 for w in worst), max(worst))
    print(f"{name}: {damaged[name][0]} of {len(starts)} sections begin damaged, the longest for {damaged[name][1]} samples")

soundfile.write("sound.ogg", sound, rate, format="OGG", subtype="VORBIS")
whole, _ = soundfile.read("sound.ogg", dtype="float32")
with soundfile.SoundFile("sound.ogg") as file:
    start = len(whole) - rate // 8
    file.seek(start)
    tail = file.read(dtype="float32")
probe = tail[: rate // 16]
lags = {lag: float(np.abs(whole[start + lag : start + lag + len(probe)] - probe).max()) for lag in range(-512, 513)}
late = min(lags, key=lags.get)
print(f"ogg: the last eighth of a second is the whole file's from {late} samples away (difference {lags[late]:.4f})")

assert damaged["wav"][0] == damaged["flac"][0] == 0, "WAV and FLAC were exact"
assert damaged["mp3"][0] >= 10, "sections of an MP3 began damaged"
assert late != 0, "the end of an Ogg file came late"
PY
echo "as described"
