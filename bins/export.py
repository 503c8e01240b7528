"""A vocoder or a TTS model becomes one ONNX file, checked against PyTorch, to run where there is no PyTorch.

    python -m bins.export --checkpoint ckpts/vocoder/v1 --out v1.onnx

    python -m bins.export --checkpoint pretrained/vits_kathleen --out kathleen.onnx

A vocoder: mel (batch, frames, n_mel), any number of frames, to samples. FastSpeech2, Jets and VITS: the ids of a text, speed and what
else the model has, to samples or a mel; kathleen.json beside it has the symbols. egs/tts/onnx.md runs them. Needs the extra "onnx".
"""

from __future__ import annotations

from pathlib import Path

from bins.cli import parser, run


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("--checkpoint", required=True, help="a release, run, checkpoint, foreign folder or file, or hub id")
    arguments.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of a run")
    arguments.add_argument("--out", required=True, help="the file to write, ending in .onnx")
    options = arguments.parse_args(argv)
    from models.base.task import load
    from models.tts.export import export as export_tts
    from models.tts.task import TTS
    from models.vocoders.export import export
    from models.vocoders.task import Vocoder
    from utils.log import log

    task = load(options.checkpoint, which=options.which, device="cpu")
    if not isinstance(task, Vocoder | TTS):
        raise ValueError(f"{options.checkpoint} is a {task.name}: only vocoders and TTS models can be exported.")
    far = export(task, options.out) if isinstance(task, Vocoder) else export_tts(task, options.out)
    size = Path(options.out).stat().st_size / 1e6
    log.info(f"{options.out}: {task.name}, {size:.1f} MB, within {far:.1g} of PyTorch.")
    return 0


if __name__ == "__main__":
    run(main)
