"""Voices behind the common interface for speech over HTTP, that of OpenAI: what `bins.serve` runs."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.exceptions import HTTPException

from models.tts.task import TTS
from utils.audio import Audio, join
from utils.encoding import FORMATS, Encoder, encoded
from utils.log import log
from utils.registry import nearest

CLIENTS = 10_000  # whose requests are counted; the longest silent is forgotten first
MINUTE = 60.0
LARGEST = 8  # bytes of a request, for each letter that a text may have
AROUND = 4096  # and for what stands around it


class Speech(BaseModel):
    """What is asked for: OpenAI's fields, and besides `language` and `seed`."""

    model_config = ConfigDict(extra="forbid")

    model: str
    input: str
    voice: str | None = None  # a speaker of the model
    response_format: Literal["mp3", "opus", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    stream: bool = True  # as it is made; else all at once
    language: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None

    def options(self) -> dict[str, Any]:
        """Those of the task. A speed of 1 is asked of every model, even of those that know no other."""
        given = {"speaker": self.voice, "language": self.language, "seed": self.seed}
        if self.speed != 1:
            given["speed"] = self.speed
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Limits:
    """Letters of a text, requests at work or waiting, and requests a minute of one address (0: any number)."""

    letters: int = 4096
    requests: int = 64
    per_minute: int = 0


class Refusal(Exception):
    """A request that gets no sound: the HTTP status, a sentence, and which field it is about."""

    def __init__(self, status: int, message: str, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.code = code

    def response(self) -> JSONResponse:
        """As OpenAI's clients read it."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": str(self), "type": kind, "param": self.field, "code": self.code}
        retry = {"Retry-After": "5"} if self.status in (429, 503) else None
        return JSONResponse({"error": error}, self.status, retry)


@dataclass
class Speaker:
    """A model, which says one piece at a time: those that ask at once take turns, sentence by sentence."""

    task: TTS
    begun: int = field(default_factory=lambda: int(time.time()))
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def pieces(self, asked: Speech) -> Iterator[Audio]:
        """The sentences of a text as they are made. Raises ValueError, before the first, for what cannot be said."""
        with self._turn:
            said = self.task.stream(asked.input, ahead=True, **asked.options())
        while True:
            with self._turn:
                piece = next(said, None)
            if piece is None:
                return
            yield piece


class Server:
    """The voices, and who asks for them."""

    def __init__(self, tasks: Mapping[str, TTS], limits: Limits) -> None:
        self.speakers = {name: Speaker(task) for name, task in tasks.items()}
        self.limits = limits
        self._active = 0
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def model(self, name: str) -> dict[str, Any]:
        """What is told of a model. Raises Refusal for an unknown one."""
        speaker = self.named(name)
        voices = speaker.task.card.get("speakers") or []
        return {"id": name, "object": "model", "created": speaker.begun, "owned_by": "amphion", "voices": voices}

    def named(self, name: str) -> Speaker:
        """Raises Refusal for an unknown one."""
        if name not in self.speakers:
            raise Refusal(404, nearest(name, self.speakers, "model"), "model", "model_not_found")
        return self.speakers[name]

    async def speech(self, request: Request) -> Response:
        """Sound for a request. Raises Refusal for what cannot be had."""
        self._count(request)
        asked = self._read(await self._body(request))
        speaker = self.named(asked.model)
        with Slot(self):
            pieces = speaker.pieces(asked)
            try:
                first = await run_in_threadpool(next, pieces, None)
                if not asked.stream:
                    return await run_in_threadpool(_whole, first, pieces, asked.response_format)
            except ValueError as error:
                raise Refusal(400, str(error), _field_of(str(error))) from error
        media_type = FORMATS[asked.response_format].media_type
        return StreamingResponse(self._streamed(first, pieces, asked.response_format), media_type=media_type)

    async def _streamed(self, first: Audio, others: Iterator[Audio], name: str) -> AsyncIterator[bytes]:
        with Slot(self, sure=True):
            chunks = _chunks(first, others, name)
            async for chunk in iterate_in_threadpool(chunks):
                yield chunk

    async def _body(self, request: Request) -> bytes:
        """Raises Refusal for one that is larger than a text can make it."""
        most = LARGEST * self.limits.letters + AROUND
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise Refusal(413, f"the request is larger than {most} bytes: send shorter texts.", "input", "too_large")
        return bytes(body)

    def _read(self, body: bytes) -> Speech:
        try:
            asked = Speech.model_validate_json(body)
        except ValidationError as error:
            raise _refused(error) from error
        letters = len(asked.input)
        if letters > self.limits.letters:
            message = f"input: it has {letters} letters, and {self.limits.letters} are read at once: send it in parts."
            raise Refusal(400, message, "input", "string_too_long")
        return asked

    def _count(self, request: Request) -> None:
        """Raises Refusal where an address asks too often."""
        if not self.limits.per_minute:
            return
        client = request.client.host if request.client else ""
        times = self._times.setdefault(client, deque())
        self._times.move_to_end(client)
        if len(self._times) > CLIENTS:
            self._times.popitem(last=False)
        now = time.monotonic()
        while times and now - times[0] > MINUTE:
            times.popleft()
        if len(times) >= self.limits.per_minute:
            raise Refusal(429, f"{self.limits.per_minute} requests a minute are answered: wait a little.", code="rate_limit_exceeded")
        times.append(now)


class Slot:
    """One of the places for requests, while it is held. Raises Refusal where all are taken, unless it is `sure` of one."""

    def __init__(self, server: Server, *, sure: bool = False) -> None:
        self.server = server
        self.sure = sure

    def __enter__(self) -> None:
        most = self.server.limits.requests
        if self.server._active >= most and not self.sure:
            raise Refusal(503, f"{most} requests are at work or waiting: try again in a moment.", code="overloaded")
        self.server._active += 1

    def __exit__(self, *_: Any) -> None:
        self.server._active -= 1


def application(tasks: Mapping[str, TTS], limits: Limits = Limits()) -> FastAPI:
    """The HTTP application for these models by name. No request names a file."""
    server = Server(tasks, limits)
    app = FastAPI(title="Amphion", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/v1/audio/speech", server.speech, methods=["POST"], response_model=None)

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [server.model(name) for name in server.speakers]}

    @app.get("/v1/models/{name}")
    def model(name: str) -> dict[str, Any]:
        return server.model(name)

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def missed(_: Request, error: HTTPException) -> JSONResponse:
        message = "there is POST /v1/audio/speech, GET /v1/models and GET /v1/models/{name}."
        return Refusal(error.status_code, f"{error.detail}: {message}").response()

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return Refusal(500, "this text could not be said, for a reason that is in the server's log.").response()

    return app


def _chunks(first: Audio, others: Iterator[Audio], name: str) -> Iterator[bytes]:
    """The bytes of a sound as its pieces are made."""
    encoder = Encoder(name, first.rate)
    try:
        for piece in itertools.chain([first], others):
            chunk = encoder.encode(piece.samples)
            if chunk:
                yield chunk
    except ValueError as error:  # the headers have gone: all that is left is to end early
        log.error(f"a text was said only in part: {error}")
        raise
    yield encoder.finish()


def _whole(first: Audio, others: Iterator[Audio], name: str) -> Response:
    sound = join([first, *others])
    return Response(encoded(sound, name), media_type=FORMATS[name].media_type)


def _refused(error: ValidationError) -> Refusal:
    """The first problem of a request, as a sentence."""
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return Refusal(400, nearest(place, Speech.model_fields, "field"), place)
    if not place:
        return Refusal(400, f"the body is not what it should be, a JSON object with model and input: {problem['msg']}.")
    return Refusal(400, f"{place}: {problem['msg']}.", place)


def _field_of(message: str) -> str:
    """Which field of a request the task's words are about: they begin with an option, or with "unknown" and one."""
    fields = {"speaker": "voice", "language": "language", "speed": "speed"}
    begin = message.replace(":", " ").split()[:2]
    return next((fields[word] for word in begin if word in fields), "input")
