#!/usr/bin/env bash
# Sets up everything in .venv, quickly when nothing is left to do. On top of that:
#   bash env.sh demo    speak with a voice that comes along, then make a small spoken corpus, train FastSpeech2 on it, speak,
#                       evaluate (minutes, no GPU needed)
#   bash env.sh test    run the tests
#   bash env.sh --help  this, and nothing is installed
# It needs Python 3.10 to 3.12 with its headers, a C compiler (apt install gcc python3-dev) and 6 GB of disk.
# Without bash, as on Windows: py -3.11 -m venv .venv, .venv\Scripts\pip install -e .[all,dev], and then python -m bins.recipe.
set -euo pipefail
cd "$(dirname "$0")"
unset PYTHONDONTWRITEBYTECODE  # some containers set it: every program would compile torch anew, for seconds

fail() { echo "env.sh: $1" >&2; exit 1; }

case "${1:-}" in  # what only asks, or is misspelt, installs nothing
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' env.sh; exit ;;
    "" | demo | test) ;;
    *) fail "unknown argument '$1': nothing, demo, test, or --help" ;;
esac

find_python() {  # a Python that torch and the audio libraries have wheels for
    for p in python3.11 python3.12 python3.10 python3; do
        "$p" -c 'import sys; exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && { echo "$p"; return; }
    done
}

make_environment() {
    local python uv
    python=$(find_python)
    [ -n "$python" ] || fail "needs Python 3.10, 3.11 or 3.12; found $(python3 --version 2>&1). Install one, for example: apt install python3.11-dev"
    command -v gcc >/dev/null || fail "needs a C compiler for pyworld and pesq: apt install gcc"
    "$python" -c 'import os, sysconfig; exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
        fail "needs Python's headers to build pyworld: apt install python3-dev"
    uv=$(command -v uv || true)
    if [ -z "$uv" ] || ! "$uv" --version >/dev/null 2>&1; then  # bring it, in a place of its own
        "$python" -m venv .venv/.uv && .venv/.uv/bin/python -m pip install --quiet uv && uv=.venv/.uv/bin/uv
    fi
    [ -x .venv/bin/python ] || "$uv" venv --quiet --allow-existing --python "$("$python" -c 'import sys; print(sys.executable)')" .venv
    "$uv" pip install --quiet --python ./.venv -e ".[all,dev]"
    .venv/bin/python -c 'import torch, torchaudio' || fail "torch and torchaudio do not import together; see setup.py"
    cat setup.py env.sh | cksum >.venv/.done
}

if [ -L .venv ]; then  # another checkout's, which would end up with this one's programs
    [ -x .venv/bin/python ] || fail ".venv is a link to $(readlink .venv), where no Python is: remove the link"
    echo ".venv is a link to $(readlink .venv): it is used as it is, and not set up."
elif [ "$(cat .venv/.done 2>/dev/null)" != "$(cat setup.py env.sh | cksum)" ]; then
    echo "Setting up .venv (half a minute to three; 5 GB) ..."
    make_environment
    echo "Ready: source .venv/bin/activate"
fi

case "${1:-}" in
    "") echo "The environment is in .venv. Next: bash env.sh demo, or bash env.sh test." ;;
    demo)
        echo "A voice that comes along says a sentence ..."
        .venv/bin/python -m bins.infer --checkpoint pretrained/vits_kathleen --out data/spoken --noise_scale 0.4 --seed 1 \
            --text "Hello. I learned to speak from less than an hour of recordings, on two processor cores."
        exec .venv/bin/python -m bins.recipe egs/tts/FastSpeech2 --tiny "${@:2}"
        ;;
    test) .venv/bin/ruff check . && exec .venv/bin/python -m pytest -n auto --dist worksteal "${@:2}" ;;
esac
