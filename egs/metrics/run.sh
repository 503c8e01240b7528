# sh egs/metrics/run.sh --reference_folder DIR --generated_folder DIR --metrics "mcd pesq fpc"   (README.md beside this file tells more)
root="$(cd "$(dirname "$0")/../.." && pwd)"
PYTHONPATH="$root" PATH="$root/.venv/bin:$PATH" exec python -m bins.evaluate "$@"
