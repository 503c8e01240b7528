"""Voices over HTTP, behind the interface that OpenAI's clients speak: POST /v1/audio/speech, GET /v1/models.

python -m bins.serve pretrained/vits_kathleen --port 8000
python -m bins.serve joe=en_US-joe-medium.onnx kathleen=pretrained/vits_kathleen --per_minute 60

curl localhost:8000/v1/audio/speech -d '{"model": "vits_kathleen", "input": "Hello there.", "response_format": "wav"}' -o hello.wav

A model goes by the name of its folder, or the one before "="; `voice` is one of its speakers. Sound is sent while it is made.
It listens on this machine alone unless --host says otherwise; it knows no passwords, so put it behind what does before others reach it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bins.cli import parser, run
from utils.log import log


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("models", nargs="+", metavar="[NAME=]CHECKPOINT", help="releases, runs, foreign checkpoints or hub ids")
    arguments.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1: this machine alone)")
    arguments.add_argument("--port", type=int, default=8000, help="(default 8000)")
    arguments.add_argument("--device", help="cpu, cuda, cuda:1 (default: a GPU where there is one)")
    arguments.add_argument("--letters", type=int, default=4096, help="that a text may have (default 4096)")
    arguments.add_argument("--requests", type=int, default=64, help="that may be at work or wait; others are told to come back (default 64)")
    arguments.add_argument("--per_minute", type=int, default=0, help="requests of one address in a minute (default 0: any number)")
    options = arguments.parse_args(argv)
    try:
        import uvicorn

        from bins.serving import Limits, application
    except ImportError as error:
        raise ValueError(f"serving needs {error.name}: pip install -e .[serve]") from error
    limits = Limits(options.letters, options.requests, options.per_minute)
    tasks = loaded(options.models, options.device)
    log.info(f"serving {', '.join(tasks)} at http://{options.host}:{options.port}/v1")
    uvicorn.run(application(tasks, limits), host=options.host, port=options.port, log_level="warning")
    return 0


def loaded(places: list[str], device: str | None) -> dict[str, Any]:
    """The models by name. Raises ValueError for a name given twice, and for what does not speak by itself."""
    from models import load
    from models.tts.task import TTS

    tasks: dict[str, TTS] = {}
    for given in places:
        name, _, place = given.rpartition("=")
        name = name or Path(place).name
        if name in tasks:
            raise ValueError(f"{given}: there is a model {name!r} already: write NAME={place}.")
        task = load(place, device=device)
        if not isinstance(task, TTS) or task.model.prompted_by:
            raise ValueError(f"{given} is a {task.card['model_type']}, which does not speak a text by itself: serve a voice.")
        tasks[name] = task
    return tasks


if __name__ == "__main__":
    run(main)
