#!/usr/bin/env bash
# openai-whisper 20250625: word error rates on text that went through its BasicTextNormalizer do not see the vowel signs of
# Indic scripts, nor those of Thai, and count one word as several.
#
# Seen: every combining mark (Unicode categories Mn, Mc) becomes a space. Hindi "की" and "के" are both "क", "लड़का" (boy) and
# "लड़की" (girl) are equal, "नमस्ते" is two words; Thai "กิน" and "กัน" are equal. jiwer then finds no error where
# a recogniser took one for the other.
# Cure: level case, width and punctuation, and keep categories M.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# The normaliser needs of its package neither torch nor numba.
"$folder/venv/bin/pip" install --quiet setuptools==80.9.0 wheel==0.45.1 regex==2026.11.19 more-itertools==10.8.0 jiwer==4.0.0
"$folder/venv/bin/pip" download --quiet --no-deps --no-build-isolation --no-binary :all: -d "$folder" openai-whisper==20250625
tar -xf "$folder"/openai_whisper-20250625.tar.gz -C "$folder"
cd "$folder"/openai_whisper-20250625/whisper
"$folder/venv/bin/python" - <<'PY'
import jiwer
from normalizers import BasicTextNormalizer

level = BasicTextNormalizer()
pairs = [("की", "के"), ("लड़का", "लड़की"), ("กิน", "กัน")]
for a, b in pairs:
    print(f"{a} {b}: {level(a)!r} {level(b)!r}, word error rate {jiwer.wer(level(a), level(b))}")
    assert level(a) == level(b) and a != b
print("नमस्ते:", level("नमस्ते").split())
assert len(level("नमस्ते").split()) == 2
PY
echo "as described"
