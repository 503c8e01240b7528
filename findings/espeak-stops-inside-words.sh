#!/usr/bin/env bash
# espeak-ng 1.52.0 (package espeakng-loader 0.2.4): the IPA of several languages holds full stops and question marks that are
# sounds. A front end that takes "." and "?" for the end of a sentence, as many text-to-speech programs do, puts pauses into words.
#
# Seen: Hindi "लड़का" has "r." for a flapped r, Bengali and Urdu likewise; Danish "vej" (way) has "?".
# Cure: part the text at punctuation before espeak reads it, and take marks inside its words for letters.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet phonemizer==3.4.0 espeakng-loader==0.2.4
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import espeakng_loader
from phonemizer.backend import EspeakBackend
from phonemizer.backend.espeak.wrapper import EspeakWrapper

EspeakWrapper.set_library(espeakng_loader.get_library_path())
EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
print("espeak-ng", ".".join(map(str, EspeakWrapper().version)))
for language, word, mark in (("hi", "लड़का", "."), ("bn", "বাড়ি", "."), ("ur", "لڑکا", "."), ("da", "vej", "?")):
    (phones,) = EspeakBackend(language).phonemize([word], strip=True)
    print(language, word, phones)
    assert mark in phones, f"{language}: {mark} stood in the IPA"
PY
echo "as described"
