# sh egs/tts/NaturalSpeech2/run.sh --stage 1-4 --name ex1   (README.md beside this file tells more)
root="$(CDPATH= cd "$(dirname "$0")/../../.." && pwd)"
PYTHONPATH="$root" PATH="$root/.venv/bin:$PATH" exec python -m bins.recipe egs/tts/NaturalSpeech2 "$@"
