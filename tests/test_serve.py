"""Voices over HTTP, asked by OpenAI's own client, by many at once, and wrongly."""

import gc
import io
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from bins import serve
from models import load
from tests.test_vits import small
from tests.test_vits_loading import jaywalnut310
from utils.audio import Audio
from utils.encoding import FORMATS, Encoder, encoded

pytest.importorskip("fastapi")
openai = pytest.importorskip("openai")
httpx = pytest.importorskip("httpx")
uvicorn = pytest.importorskip("uvicorn")

from bins.serving import Limits, application  # noqa: E402 (needs what was asked for above)

TEXT = "Hello there. How are you?"
LONG = " ".join(f"This is sentence number {n}." for n in range(60))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    one = jaywalnut310(tmp_path_factory.mktemp("one"), small(1, n_vocab=178))
    many = jaywalnut310(tmp_path_factory.mktemp("many"), small(3, n_vocab=178))
    return {"one": load(one, device="cpu"), "many": load(many, device="cpu")}


def read(data):
    """A sound whose header may not tell how long it is."""
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        return Audio(file.read(10**6, dtype="float32"), file.samplerate)


def encoders():
    gc.collect()
    # By their type: isinstance would ask weak proxies, also those of what is gone.
    return sum(type(thing) is Encoder for thing in gc.get_objects())


class Running:
    """A server in a thread of its own, until the test ends."""

    def __init__(self, tasks, limits):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = uvicorn.Config(application(tasks, limits), port=port, log_level="error")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.url = f"http://127.0.0.1:{port}/v1"

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(10)

    def client(self):
        return openai.OpenAI(base_url=self.url, api_key="none", max_retries=0, http_client=httpx.Client(trust_env=False))

    def post(self, **body):
        return httpx.post(f"{self.url}/audio/speech", trust_env=False, **body)


@pytest.fixture(scope="module")
def running(tasks):
    with Running(tasks, Limits(letters=2000)) as server:
        yield server


@pytest.mark.parametrize("name", FORMATS)
def test_openais_client_gets_each_format(running, tasks, name):
    speech = running.client().audio.speech
    wanted = tasks["one"](TEXT, seed=3)
    with speech.with_streaming_response.create(
        model="one", voice="foreign_default", input=TEXT, response_format=name, extra_body={"seed": 3}
    ) as response:
        assert response.headers["content-type"].startswith(FORMATS[name].media_type)
        data = b"".join(response.iter_bytes())
    if name == "pcm":
        sound = Audio(np.frombuffer(data, "<i2") / 32768, 24000)
    elif name == "wav":
        sound = Audio(np.frombuffer(data[44:], "<i2") / 32768, wanted.rate)
        assert soundfile.info(io.BytesIO(data)).samplerate == wanted.rate
    else:
        sound = read(data)
    assert sound.seconds == pytest.approx(wanted.seconds, abs=0.15)
    got, expected = sound.resample(8000).samples, wanted.samples
    if name in ("wav", "flac"):
        np.testing.assert_allclose(got, expected.clip(-1, 1), atol=2 / 32768)
    assert np.sqrt(np.square(got).mean()) == pytest.approx(np.sqrt(np.square(expected.clip(-1, 1)).mean()), rel=0.5)


def test_the_models_are_told_and_a_voice_is_chosen(running, tasks):
    client = running.client()
    assert {model.id for model in client.models.list()} == {"one", "many"}
    assert client.models.retrieve("many").voices == ["speaker_0", "speaker_1", "speaker_2"]
    wanted = tasks["many"](TEXT, speaker="speaker_2", seed=0, speed=2.0)
    extra = {"seed": 0, "stream": False}
    got = client.audio.speech.create(
        model="many", voice="speaker_2", input=TEXT, speed=2, response_format="wav", extra_body=extra
    )
    sound, rate = soundfile.read(io.BytesIO(got.content))
    assert rate == 8000 and len(sound) == len(wanted.samples)
    np.testing.assert_allclose(sound, wanted.samples.clip(-1, 1), atol=2 / 32768)


def test_sound_comes_before_all_of_it_is_made(running, tasks, monkeypatch):
    task = tasks["one"]
    made = []
    utter = task._utter
    monkeypatch.setattr(task, "_utter", lambda *given: made.append(1) or utter(*given))
    with running.client().audio.speech.with_streaming_response.create(
        model="one", voice="foreign_default", input=LONG, response_format="pcm"
    ) as response:
        next(response.iter_bytes(1))
        assert 1 <= len(made) < 40


WRONG = {
    "model": ({"model": "onne"}, 404, "did you mean 'one'"),
    "voice": ({"voice": "speaker_9", "model": "many"}, 400, "speaker_9"),
    "format": ({"response_format": "aac"}, 400, "response_format: .*'mp3'"),
    "speed": ({"speed": 9}, 400, "speed: .*less than or equal to 4"),
    "field": ({"inputs": "x"}, 400, "did you mean 'input'"),
    "empty": ({"input": "  "}, 400, "empty|nothing"),
    "long": ({"input": "a " * 1001}, 400, "2002 letters, and 2000"),
    "large": ({"input": "a" * 100_000}, 413, "larger than"),
    "language": ({"language": "de"}, 400, "language"),
    "markup": ({"input": "One. <break time='x'/> Two."}, 400, "break|time"),
}
FIELDS = {
    "empty": "input", "long": "input", "large": "input", "markup": "input", "field": "inputs", "format": "response_format",
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_as_json(running, kind):
    changes, status, words = WRONG[kind]
    response = running.post(json={"model": "one", "input": "Hello.", **changes})
    error = response.json()["error"]
    assert response.status_code == status, error
    assert error["type"] == "invalid_request_error"
    assert re.search(words, error["message"]), error
    assert error["param"] == FIELDS.get(kind, kind)


def test_what_is_no_request_is_refused(running):
    assert running.post(content=b"{").status_code == 400
    assert running.post(content=b"[]").json()["error"]["type"] == "invalid_request_error"
    missing = httpx.get(f"{running.url}/files", trust_env=False)
    assert missing.status_code == 404 and "/v1/models" in missing.json()["error"]["message"]
    assert httpx.get(f"{running.url}/audio/speech", trust_env=False).status_code == 405
    with pytest.raises(openai.NotFoundError, match="did you mean 'many'"):
        running.client().audio.speech.create(model="manny", voice="speaker_0", input="Hello.")


def test_a_name_of_a_file_is_no_way_in(running, tmp_path):
    for field in ("model", "voice"):
        response = running.post(json={"model": "many", "input": "Hello.", field: str(tmp_path)})
        assert response.status_code in (400, 404)
    assert running.post(json={"model": "many", "input": "Hello.", "vocoder": str(tmp_path)}).status_code == 400


def test_many_clients_at_once_lose_nothing_and_leave_nothing(running, tasks):
    wanted = len(tasks["one"]("Hello.", seed=1).samples)

    def ask(_):
        response = running.post(
            json={"model": "one", "input": "Hello.", "seed": 1, "response_format": "wav"}, timeout=120
        )
        return response.status_code, (len(response.content) - 44) // 2

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(40)))
    assert set(answers) == {(200, wanted)}
    until = time.monotonic() + 60
    while encoders() and time.monotonic() < until:  # of a client that left there is one until its sentence is said
        time.sleep(0.5)
    assert not encoders()


def test_more_than_its_places_and_more_than_its_share_are_turned_away(tasks):
    with Running(tasks, Limits(requests=0)) as server:
        full = server.post(json={"model": "one", "input": "Hello."})
        assert full.status_code == 503 and full.headers["retry-after"]
    with Running(tasks, Limits(per_minute=2)) as server:
        statuses = [server.post(json={"model": "one", "input": "Hello."}).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]


def test_the_program_names_models_and_refuses_what_does_not_speak(tasks, monkeypatch):
    monkeypatch.setattr("models.load", lambda place, device: tasks["one"])
    assert list(serve.loaded(["some/folder", "joe=voice.onnx"], "cpu")) == ["folder", "joe"]
    with pytest.raises(ValueError, match="a model 'x' already"):
        serve.loaded(["a/x", "b/x"], "cpu")
    monkeypatch.setattr("models.load", lambda place, device: type("Vocoder", (), {"card": {"model_type": "HiFiGAN"}})())
    with pytest.raises(ValueError, match="is a HiFiGAN, which does not speak"):
        serve.loaded(["v"], "cpu")


@pytest.mark.parametrize("name", FORMATS)
def test_pieces_make_the_sound_that_the_whole_makes(name):
    chance = np.random.default_rng(0)
    sound = Audio(0.1 * chance.standard_normal(22050).astype(np.float32), 22050)
    encoder = Encoder(name, sound.rate)
    parts = [encoder.encode(part) for part in np.array_split(sound.samples, 7)]
    pieced = b"".join([*parts, encoder.finish()])
    whole = encoded(sound, name)
    if name == "pcm":
        a, b = (np.frombuffer(data, "<i2").astype(int) for data in (pieced, whole))
        assert len(a) == len(b) and np.abs(a - b).max() <= 1
        return
    if name == "opus":
        assert abs(len(read(pieced).samples) - len(read(whole).samples)) < 10
        return
    assert len(pieced) == len(whole)
    if name == "wav":  # but for what a stream does not know, and how halves are rounded
        a, b = (np.frombuffer(data[44:], "<i2").astype(int) for data in (pieced, whole))
        assert np.abs(a - b).max() <= 1
    else:
        header = 1500 if name == "mp3" else 0
        assert pieced[header:] == whole[header:]
