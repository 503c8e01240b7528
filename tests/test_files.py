"""Files of text and lines: what ends a line, other encodings, and what a full disk says."""

import json
import math
import resource
import signal
import tarfile

import numpy as np
import pytest
import torch

from bins.extract import extract
from bins.infer import main as infer
from models.base.experiment import Experiment
from preprocessors.base import Utterance, prepare, read_manifest, write_manifest
from tests.conftest import clip, make_corpus, toy_config
from utils.audio import Audio
from utils.files import read_json, read_lines, read_text, read_weights, write_whole
from utils.names import check_name

MARKS = "a\u2028b\u0085c\x0bd\x0ce\x1cf\u2029g\x00h\ri"  # str.splitlines ends a line at each of these but NUL


def test_only_newlines_end_a_line(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes(f"\ufeffone\r\n{MARKS}\n\nlast".encode())
    assert list(read_lines(path)) == [(1, "one"), (2, MARKS), (3, ""), (4, "last")]
    assert read_text(path) == f"one\n{MARKS}\n\nlast"


def test_a_manifest_keeps_every_character_of_its_texts(tmp_path):
    rows = [Utterance("a", text=MARKS, speaker=MARKS), Utterance("b", text="plain")]
    assert read_manifest(write_manifest(tmp_path / "train.jsonl", rows)) == rows


def test_another_encoding_is_named_with_file_and_line(tmp_path):
    path = tmp_path / "metadata.csv"
    path.write_bytes(b"a|good\nb|" + "caf\u00e9".encode("latin-1") + b"\nc|good\n")
    with pytest.raises(ValueError, match=r"metadata.csv:2: byte 0xe9 at 'b\|caf' is not in UTF-8: save the file again"):
        list(read_lines(path))
    bad = []
    assert [number for number, _ in read_lines(path, bad)] == [1, 3]
    assert bad == [(2, "byte 0xe9 at 'b|caf' is not in UTF-8")]
    path.write_text("a|good\n", encoding="utf-16")
    with pytest.raises(ValueError, match="metadata.csv is in UTF-16: save it again as UTF-8"):
        list(read_lines(path))


ESCAPES = ["../../../escape", "/tmp/escape", "a/../../escape", "..", "a\\..\\..\\escape", "C:/escape", "", "a//b", "./a", "a/", "a\n", "a\x00"]


@pytest.mark.parametrize("name", ESCAPES)
def test_an_id_that_is_no_name_below_the_store_is_refused(tmp_path, name):
    (tmp_path / "train.jsonl").write_text(json.dumps({"id": "good"}) + "\n" + json.dumps({"id": name}) + "\n")
    with pytest.raises(ValueError, match=r"train.jsonl:2: the id '.*' (leads out|cannot be)"):
        read_manifest(tmp_path / "train.jsonl")
    (tmp_path / "train.jsonl").write_text(json.dumps({"id": "good", "dataset": name or ".."}) + "\n")
    with pytest.raises(ValueError, match=r"train.jsonl:1: the dataset "):
        read_manifest(tmp_path / "train.jsonl")


@pytest.mark.parametrize("name", ["a", "spk.001", "p225/p225_001", "Zoë 1", "a..b", "x" * 220, ".hidden", "a:b"])
def test_names_that_may_be(name):
    assert check_name(name, "the id") == name


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", ""])
def test_a_run_lies_below_the_folder_of_runs(tmp_path, name):
    config = toy_config(make_corpus(tmp_path, [1.0] * 4))
    with pytest.raises(ValueError, match="--name"):
        Experiment.read(config).run_folder(name)
    with pytest.raises(ValueError, match="--name"):
        infer(["--config", str(config), "--name", name])


def test_long_ids_do_not_end_the_extraction(tmp_path, caplog):
    folder = make_corpus(tmp_path, [1.0] * 6)
    manifest = folder / "data/custom/train.jsonl"
    rows = read_manifest(manifest)
    names = ["x" * 220, "y" * 240, "語" * 73, "語" * 90]
    lines = [json.dumps({"id": name, "dataset": "custom", "audio": rows[0].audio, "seconds": 1.0}) for name in names]
    manifest.write_text(manifest.read_text() + "\n".join(lines) + "\n")
    config = toy_config(folder, preprocess={"features": {"mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}, "audio": {}, "f0": {}}})
    assert extract(Experiment.read(config), jobs=1) == {}
    found = {utterance.id for utterance in Experiment.read(config).utterances("train")}
    assert {names[0], names[2]} <= found and not {names[1], names[3]} & found
    assert "left out" in caplog.text and "240 bytes" in caplog.text and "270 bytes" in caplog.text


def test_preprocess_lists_ids_that_no_file_can_have(tmp_path, monkeypatch):
    from preprocessors import custom

    sound = Audio(clip(1.0, 200, 0), 16000).write(tmp_path / "root/a.wav")
    found = [Utterance(name, audio=str(sound), text="a") for name in ("good", "z" * 250, "../out")]
    monkeypatch.setattr(custom, "utterances", lambda root: iter(found))
    for other in ("orphans", "doubts", "mute"):
        monkeypatch.delattr(custom, other, raising=False)
    report = prepare("custom", tmp_path / "root", tmp_path / "data", jobs=1)
    assert sum(report.counts.values()) == 1
    assert {name: reason.split(":")[0][-15:] for name, reason in report.skipped}.keys() == {"z" * 250, "../out"}


WRONG = [
    *("5", "[]", "null", "{}", '"id"', "[" * 100_000, '{"a":' * 100_000, '{"id": 5}', '{"id": "a"', ""),
    *('{"id": "a", "seconds": "1"}', '{"id": "a", "text": null}', '{"id": "a", "seconds": NaN}', '{"id": "a", "start": -1}'),
    *('{"id": "a", "speaker": ["b"]}', '{"id": "a", "speeker": "b"}', '{"id": "a", "start": true}'),
]


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:30])
def test_a_line_that_is_no_utterance_is_named(tmp_path, line):
    (tmp_path / "train.jsonl").write_text('{"id": "good"}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"train.jsonl:2"):
        read_manifest(tmp_path / "train.jsonl")


def test_a_json_file_of_another_shape_is_named_with_the_place(tmp_path):
    path = tmp_path / "refused.json"
    for text, message in {
        "5": r"refused.json is not what it should be: .*dictionary, got 5",
        '{"a": {"b": ["c", 5]}}': r"at a\.b\.1: .*string, got 5",
        "[" * 100_000: "not valid JSON .*recursion",
        '{"a"': "not valid JSON",
        "": "not valid JSON",
        "\u00e9": "not valid JSON",
    }.items():
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ValueError, match=message):
            read_json(path, dict[str, dict[str, list[str]]])
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": {"b": ["c"]}, "n": {}}')
    assert read_json(path, dict[str, dict[str, list[str]]]) == {"a": {"b": ["c"]}, "n": {}}
    path.write_text('{"a": NaN, "b": 1e999}')
    assert math.isnan(read_json(path)["a"])
    with open(path, "wb") as file:
        file.truncate(2**30)
    with pytest.raises(ValueError, match="1073741824 bytes"):
        read_json(path)


@pytest.mark.parametrize("text", ["5", "[]", "null", '"x"', "[" * 100_000, '{"a": ', "\x00", '{"symbols": 5, "a": 5}'])
def test_what_the_extract_stage_wrote_and_was_damaged_is_made_again(tmp_path, text):
    features = {"f0": {}, "mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}}
    config = toy_config(make_corpus(tmp_path, [1.0] * 4), preprocess={"features": features})
    extract(Experiment.read(config), jobs=1)
    kept = {path: path.read_text() for path in tmp_path.glob("data/*/*.json")}
    assert {"learned", "refused", "state"} <= {path.name.split("-")[0] for path in kept}
    for path in kept:
        path.write_text(text)
    extract(Experiment.read(config), jobs=1)
    assert Experiment.read(config).card
    assert {path: path.read_text() for path in kept} == kept


def test_a_full_disk_is_named_for_sound_too(tmp_path):
    """A limit on the size of files stands for a full disk: the library sees a write that fails, and says "System error."."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write .*a.wav: .*large"):
            Audio(np.zeros(2**20, dtype=np.float32), 16000).write(tmp_path / "a.wav")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.iterdir())


def test_an_error_that_is_not_the_disks_stays_what_it_is(tmp_path):
    def write(path):
        raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        write_whole(tmp_path / "a.txt", write)
    assert not list(tmp_path.iterdir())


def test_the_oldest_archives_are_refused_without_advice_to_run_them(tmp_path):
    with tarfile.open(tmp_path / "a.pt", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(ValueError, match=r"a.pt is refused: it is in the \.tar format") as told:
        read_weights(tmp_path / "a.pt")
    assert "weights_only" not in str(told.value)


@pytest.mark.parametrize("protocol", [4, 5])
def test_weights_in_a_newer_pickle_are_told_as_that(tmp_path, protocol):
    torch.save({"w": torch.ones(2)}, tmp_path / "a.pt", pickle_protocol=protocol)
    with pytest.raises(ValueError, match="newer kind of pickle"):
        read_weights(tmp_path / "a.pt")
