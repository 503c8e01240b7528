"""Trainings seen while they run: one page in the browser, which refreshes itself, of one run or several over one another.

    python -m visualization.watch ckpts
    python -m visualization.watch ckpts/tts/ex1 ckpts/tts/ex2 --port 8008

Losses, learning rates, speed, the wait for data and memory over updates, and sounds and pictures of validation: what TensorBoard has, too.
It is served to this machine alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from utils.log import log
from visualization.embed import assemble
from visualization.training import Medium, Run, runs_below

PORT = 8008
HOST = "127.0.0.1"
Key = tuple[Path, str, str, int]  # of a medium: folder of its run, kind, tag and update


class Board:
    """What the page shows of some folders. Requests name a medium by its number alone; no path comes from one."""

    def __init__(self, places: list[str]) -> None:
        self.places = places
        self.runs: dict[Path, Run] = {}
        self.media: list[Medium] = []
        self._numbers: dict[Key, int] = {}
        self._lock = threading.Lock()
        self._look()

    def _look(self) -> None:
        """Takes in the runs that there are by now."""
        for run in runs_below(self.places):
            self.runs.setdefault(run.folder, run)

    def state(self) -> dict[str, Any]:
        """Curves and media of all runs, those among them that began since."""
        with self._lock:
            self._look()
            return {"runs": [self._told(run) for run in self.runs.values()]}

    def _told(self, run: Run) -> dict[str, Any]:
        run.read()
        media = [self._numbered(run, medium) for medium in run.media()]
        return {"name": run.name, "curves": run.curves(), "media": media}

    def _numbered(self, run: Run, medium: Medium) -> dict[str, Any]:
        facts = {"kind": medium.kind, "tag": medium.tag, "step": medium.step}
        key = (run.folder, *facts.values())
        if key not in self._numbers:
            self._numbers[key] = len(self.media)
            self.media.append(medium)
        return {"number": self._numbers[key], **facts}

    def medium(self, number: str) -> Medium | None:
        """The sound or picture of a number that `state` gave; None for what is none."""
        known = number.isascii() and number.isdigit() and int(number) < len(self.media)
        return self.media[int(number)] if known else None


def handler_of(board: Board) -> type[BaseHTTPRequestHandler]:
    """What answers requests: the page, its data, and media by number."""
    page = assemble("watch", title="Training", style="style.css", script="watch.js", data={}, served=True).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = self.path.partition("?")[0]
            if address == "/":
                self._answer("text/html; charset=utf-8", page)
            elif address == "/data.json":
                content = json.dumps(board.state()).encode()
                self._answer("application/json", content)
            elif address == "/favicon.ico":  # browsers ask for one
                self.send_response(204)
                self.end_headers()
            else:
                self._answer_medium(address)

        def _answer_medium(self, address: str) -> None:
            medium = board.medium(address.removeprefix("/media/"))
            if medium is None:
                self.send_error(404)
                return
            self._answer(medium.media_type, medium.content)

        def _answer(self, kind: str, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, form: str, *values: Any) -> None:
            """A request is nothing to tell."""

    return Handler


def server_of(places: list[str], port: int) -> ThreadingHTTPServer:
    """A server of the page, to be run by `serve_forever`; port 0 takes any. Raises ValueError where the port is taken."""
    handler = handler_of(Board(places))
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise ValueError(f"--port {port}: it cannot be had ({error.strerror}): take another, or 0 for any.") from error


def main(argv: list[str] | None = None) -> int:
    """The program."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folders", nargs="*", default=["ckpts"], help="runs, or folders that hold some (default: ckpts)")
    arguments.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 takes any that is free")
    options = arguments.parse_args(argv)
    with server_of(options.folders, options.port) as server:
        log.info(f"look at http://{HOST}:{server.server_port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            log.info("ended.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        sys.exit(f"error: {error}")
