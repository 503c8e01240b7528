"""To speak imports nothing that speaking does not need: most of the wait for a first sound is imports."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = (
    "accelerate librosa matplotlib numba pandas regex scipy sklearn sympy tensorboard torch._dynamo torch._inductor torchaudio transformers"
)
PROGRAM = """
import sys
from bins.infer import main
out, *heavy = sys.argv[1:]
main(["--checkpoint", "pretrained/vits_kathleen", "--text", "Hello there.", "--out", out])
print("imported:", *[name for name in heavy if name in sys.modules])
"""


def test_a_process_that_has_spoken_imported_nothing_heavy(tmp_path):
    words = [sys.executable, "-c", PROGRAM, str(tmp_path), *HEAVY.split()]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "0000.wav").is_file()
    assert done.stdout.splitlines()[-1].split() == ["imported:"]
