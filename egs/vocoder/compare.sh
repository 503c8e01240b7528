# sh egs/vocoder/compare.sh hifigan melgan vocos --set dataset_path.ljspeech=/path/to/LJSpeech-1.1   (README.md beside this file)
root="$(CDPATH= cd "$(dirname "$0")/../.." && pwd)"
PYTHONPATH="$root" PATH="$root/.venv/bin:$PATH" exec python -m bins.compare_vocoders "$@"
