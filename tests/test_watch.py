"""Trainings seen while they run: what is read of their event files, what is served, and the page in a browser."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest

from bins.watch import main
from tests.browser import CHROMIUM, DRIVER, Browser
from visualization.training import MOST_POINTS, Run, runs_below, short_names, thinned
from visualization.watch import Board, server_of


def write(folder, steps, offset=0.0, *, media=True, **how):
    """What a training logs of some updates."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "log"), **how) as writer:
        for step in steps:
            writer.add_scalar("train/mel", 1.0 / (step + 1) + offset, step)
            writer.add_scalar("lr/model", 1e-3, step)
        if media:
            writer.add_audio("sample/a", np.sin(np.arange(2400) * 0.1), steps[-1], sample_rate=24000)
            writer.add_image("sample/a/mel", np.zeros((8, 8, 3), np.uint8), steps[-1], dataformats="HWC")
    return folder


@pytest.fixture
def ckpts(tmp_path):
    write(tmp_path / "tts/one", range(50))
    write(tmp_path / "tts/two", range(30), offset=0.5)
    return tmp_path


@pytest.fixture
def served(ckpts):
    with server_of([str(ckpts)], 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def read_of(folder):
    run = Run("run", folder / "log")
    run.read()
    return run


def fetched(address):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(address) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_curves_are_what_was_logged_and_go_on(tmp_path):
    run = read_of(write(tmp_path, range(5)))
    points = run.curves()["train/mel"]
    assert [step for step, _, _ in points] == list(range(5))
    assert [value for _, value, _ in points] == pytest.approx([1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    write(tmp_path, range(5, 8), media=False)
    run.read()
    assert [step for step, _, _ in run.curves()["train/mel"]] == list(range(8))


def test_what_a_resumed_run_made_anew_counts_once(tmp_path):
    write(tmp_path, range(10))
    write(tmp_path, range(5, 12), offset=1.0, purge_step=5)
    points = {step: value for step, value, _ in read_of(tmp_path).curves()["train/mel"]}
    assert list(points) == list(range(12)) and points[4] < 1 < points[5] and points[9] > 1


def test_media_are_sounds_and_pictures_with_their_updates(tmp_path):
    sound, picture = read_of(write(tmp_path, range(5))).media()
    assert (sound.kind, sound.tag.startswith("sample/a"), sound.step, sound.content[:4]) == ("audio", True, 4, b"RIFF")
    assert (picture.kind, picture.step, picture.content[1:4]) == ("image", 4, b"PNG")


def test_a_long_curve_is_thinned_and_keeps_its_end():
    kept = thinned(list(range(10 * MOST_POINTS + 7)))
    assert len(kept) <= MOST_POINTS + 1 and kept[0] == 0 and kept[-1] == 10 * MOST_POINTS + 6
    assert thinned([1, 2, 3]) == [1, 2, 3] and thinned([]) == []


def test_runs_are_called_by_as_little_as_tells_them_apart(ckpts, tmp_path):
    assert [run.name for run in runs_below([ckpts])] == ["one", "two"]
    write(tmp_path / "svc/one", range(3))
    assert [run.name for run in runs_below([ckpts])] == ["svc/one", "tts/one", "tts/two"]
    assert short_names([tmp_path]) == [tmp_path.name]


@pytest.mark.parametrize("place, message", [("gone", "no folder .*gone"), (".", "nothing was logged there yet: a training writes")])
def test_where_nothing_is_to_be_seen_it_is_said(tmp_path, place, message):
    with pytest.raises(ValueError, match=message):
        main([str(tmp_path / place)])


def test_a_port_that_is_taken_is_named(served, ckpts):
    with pytest.raises(ValueError, match="it cannot be had .*: take another, or 0 for any"):
        main([str(ckpts), "--port", served.rpartition(":")[2]])


def test_requests_name_nothing_but_numbers(served):
    kind, page = fetched(served)
    assert kind.startswith("text/html") and b"Training" in page
    kind, told = fetched(f"{served}/data.json")
    runs = json.loads(told)["runs"]
    assert [run["name"] for run in runs] == ["one", "two"] and len(runs[0]["curves"]["train/mel"]) == 50
    media = [medium for run in runs for medium in run["media"]]
    assert sorted(medium["number"] for medium in media) == list(range(4))
    assert {fetched(f"{served}/media/{medium['number']}")[0] for medium in media} == {"audio/wav", "image/png"}
    for odd in ("media/4", "media/-1", "media/", "media/²", "media/0/../../setup.py", "setup.py", "../setup.py", "media/0x1"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetched(f"{served}/{urllib.parse.quote(odd)}")


def test_a_run_that_begins_later_is_seen_and_numbers_stay(ckpts):
    board = Board([str(ckpts)])
    before = {medium["number"]: (medium["tag"], medium["step"]) for run in board.state()["runs"] for medium in run["media"]}
    write(ckpts / "tts/three", range(3))
    state = board.state()
    assert [run["name"] for run in state["runs"]] == ["one", "two", "three"]
    after = {medium["number"]: (medium["tag"], medium["step"]) for run in state["runs"] for medium in run["media"]}
    assert before.items() <= after.items() and len(after) == 6


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver in the path")
def test_the_page_in_a_browser(served, tmp_path):
    with Browser(tmp_path / "browser", size=(420, 900)) as page:
        page.visit(served)
        page.until("document.querySelectorAll('#charts figure').length === 2")
        assert page.run("return document.querySelectorAll('[data-tag=\"train/mel\"] .curve').length") == 2
        assert page.run("return document.querySelectorAll('#media audio').length") == 2
        assert page.run("return document.documentElement.scrollWidth <= innerWidth"), "a phone needs no scrolling sideways"
        page.click("#runs button:nth-child(2)")
        assert page.run("return document.querySelectorAll('[data-tag=\"train/mel\"] .curve').length") == 1
        page.click("#log")
        page.run("document.querySelector('#filter').value = 'lr'; document.querySelector('#filter').dispatchEvent(new Event('input'))")
        assert page.run("return [...document.querySelectorAll('#charts figure')].map((f) => f.dataset.tag)") == ["lr/model"]
        link = page.run("return location.hash")
        page.visit(f"{served}/?again{link}")
        page.until("document.querySelectorAll('#charts figure').length === 1")
        assert page.run("return document.querySelector('#log').checked") is True
        assert page.complaints() == []
        assert [address for address in page.requests() if not address.startswith((served, "data:"))] == []
