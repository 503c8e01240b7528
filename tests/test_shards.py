"""Arrays in one file a feature: the same as in a file each, whoever writes, is killed, or changes from one to the other."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from bins.extract import extract
from models.base.data import Utterances
from models.base.experiment import Experiment
from models.base.trainer import Trainer
from processors.shards import NAME, OPEN
from processors.store import Store
from tests.conftest import ROOT, make_corpus, toy_config

ARRAYS = {
    "floats": np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32),
    "halves": np.arange(9, dtype=np.float16),
    "words": np.array(["a", "ʃ", "long word"]),
    "nothing": np.zeros((0, 3), np.float32),
    "one": np.float64(3.5),
    "columns": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "yes": np.array([True, False]),
    "many": np.arange(300_000, dtype=np.float32).reshape(-1, 3),  # of several pieces
    "wide": np.arange(120_000, dtype=np.int64).reshape(4, -1),  # a row is more than a piece
}


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_what_is_written_is_read(tmp_path, kind):
    store = Store(tmp_path, kind)
    for name, array in ARRAYS.items():
        path = tmp_path / f"f0-12/custom/{name}.0123456789ab.npy"
        assert store.read(path) is None and store.mapped(path) is None
        store.write(path, array)
        found = store.read(path)
        assert found.dtype == array.dtype and type(found) is np.ndarray and found.flags.writeable
        np.testing.assert_array_equal(found, array)
        if array.ndim:
            part = store.mapped(path)
            assert len(part) == len(array)
            for rows in (slice(None), slice(1, 3), slice(0, 0), slice(40, 1000), slice(-2, None), slice(5, 2)):
                np.testing.assert_array_equal(part[rows], array[rows])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == (len(ARRAYS) if kind == "files" else 2)


def test_a_slice_of_a_large_array_reads_that_alone(tmp_path):
    """A process that takes rows of 400 MB may not come to hold them."""
    store = Store(tmp_path, "shards")
    path = tmp_path / "f/c/a.npy"
    array = np.arange(10**8, dtype=np.float32).reshape(-1, 100)
    store.write(path, array)
    words = f"""
from pathlib import Path
from processors.store import Store

def most():  # kB; not resource's, which counts what the parent held
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

store = Store(Path({str(tmp_path)!r}), "shards")
before = most()
part = store.mapped(Path({str(path)!r}))
rows = part[500_000:500_010]
assert rows.sum() == {float(array[500_000:500_010].sum())!r}
print(most() - before)
"""
    told = subprocess.run([sys.executable, "-c", words], cwd=ROOT, check=True, capture_output=True, text=True)
    assert int(told.stdout) < 20_000


def test_what_is_open_stays_what_it_was(tmp_path):
    store = Store(tmp_path, "shards")
    paths = [tmp_path / f"f/c/{i}.npy" for i in range(50)]
    for i, path in enumerate(paths):
        store.write(path, np.full(30_000, i))
    found = [store.mapped(path) for path in paths]
    parts = [array[10:20] for array in found]
    for path in 4 * paths:
        store.own.remove(path)
        store.write(path, np.full(20_000, -1))
    assert [part.tolist() for part in parts] == [[i] * 10 for i in range(50)]
    assert [array[29_990:].tolist() for array in found] == [[i] * 10 for i in range(50)]
    assert store.read(paths[0]).tolist() == [-1] * 20_000
    assert len(store.own.paths(tmp_path / "f")) == 50
    for path in paths:
        store.own.remove(path)
    assert OPEN[str(tmp_path / "f" / NAME)][1].stat()["entries"] == 0, "no piece is left over"


WRITER = """
import sys
from pathlib import Path
import numpy as np
from processors.store import Store
root, who, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = Store(root, "shards")
for i in range(count):
    store.write(root / f"f/c/{who}_{i}.npy", np.full(2000 + i % 7, who * 1_000_000 + i))
    print(i, flush=True)
"""


def writer(root, who, count):
    words = [sys.executable, "-c", WRITER, str(root), str(who), str(count)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def written(root, who, count):
    """How many of a writer's arrays are there; each that is, is whole."""
    store = Store(root, "shards")
    found = 0
    for i in range(count):
        array = store.read(root / f"f/c/{who}_{i}.npy")
        if array is not None:
            assert array.tolist() == [who * 1_000_000 + i] * (2000 + i % 7)
            found += 1
    return found


def test_several_processes_write_at_once_and_one_that_is_killed_harms_nothing(tmp_path):
    children = [writer(tmp_path, who, 400) for who in (1, 2)]
    victim = writer(tmp_path, 3, 10**6)
    told = [int(victim.stdout.readline()) for _ in range(150)]
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    for child in children:
        child.communicate(timeout=120)
        assert child.returncode == 0
    assert [written(tmp_path, who, 400) for who in (1, 2)] == [400, 400]
    assert written(tmp_path, 3, 10**3) >= len(told)
    Store(tmp_path, "shards").write(tmp_path / "f/c/after.npy", np.ones(3))  # the lock that it held is free
    assert Store(tmp_path).read(tmp_path / "f/c/after.npy").tolist() == [1, 1, 1]


def test_a_forked_process_reads_what_its_parent_has_open(tmp_path):
    store = Store(tmp_path, "shards")
    path = tmp_path / "f/c/a.npy"
    store.write(path, np.arange(5))
    held = store.mapped(path)
    child = os.fork()
    if child == 0:
        store.write(tmp_path / "f/c/b.npy", np.arange(6))
        os._exit(0 if store.read(path).tolist() == [0, 1, 2, 3, 4] else 1)
    assert os.waitpid(child, 0)[1] == 0 and held[1:3].tolist() == [1, 2]
    assert len(store.read(tmp_path / "f/c/b.npy")) == 6


def test_what_is_stale_goes_and_its_room_is_used_again(tmp_path):
    store = Store(tmp_path, "shards")
    folder = tmp_path / "f-12"
    size = []
    for turn in range(6):
        names = {f"{i}.{turn}.npy" for i in range(300)}
        for name in names:
            store.write(folder / "learnt" / "custom" / name, np.full(1000, turn))
        store.write(folder / "vctk/custom/other.npy", np.ones(1))  # another corpus's, of an id with folders
        removed = store.sweep(folder, "custom", names | {"0.TextGrid"})
        assert removed == (300 if turn else 0)
        size.append((folder / NAME).stat().st_blocks)
    assert {path.parent.name for path in store.own.paths(folder)} == {"custom"} and len(store.own.paths(folder)) == 301
    assert size[-1] < 2.5 * size[0]
    assert store.sweep(folder, "vctk", set()) == 1


@pytest.mark.parametrize("damage", ["entry", "end", "middle", "cut", "garbage", "empty"])
def test_what_is_damaged_is_nothing_and_is_written_anew(tmp_path, caplog, damage):
    store = Store(tmp_path, "shards")
    paths = [tmp_path / f"f/c/{i}.npy" for i in range(100)]
    for path in paths:
        store.write(path, np.ones(25_000))
    place = tmp_path / "f" / NAME
    if damage in ("entry", "end", "middle"):
        key = {"entry": b"c/3", "middle": b"c/3\0\0\0\0\1", "end": b"c/3\0\0\0\0\3"}[damage]
        with OPEN[str(place)][1].begin(write=True) as transaction:
            assert transaction.replace(key, b"\x93NUMPY\x01\x00 no header")
    else:
        content = place.read_bytes()
        place.unlink()
        place.write_bytes({"cut": content[: len(content) // 3], "garbage": b"x" * 50_000, "empty": b""}[damage])
    with caplog.at_level("WARNING", "amphion"):
        assert damage == "middle" or store.mapped(paths[3]) is None  # of a slice, only that is read
        assert store.read(paths[3]) is None
    assert "made again" in caplog.text or damage == "empty"
    store.write(paths[3], np.zeros(3))
    assert store.read(paths[3]).tolist() == [0, 0, 0]


def test_a_name_that_is_too_long_is_kept_in_a_file(tmp_path):
    store = Store(tmp_path, "shards")
    path = tmp_path / "f/c" / "/".join(["x" * 200] * 3) / "a.npy"
    store.write(path, np.ones(2))
    assert path.is_file() and store.read(path).tolist() == [1, 1] and store.gather(tmp_path / "f") == 0 and path.is_file()


def test_one_way_is_brought_into_the_other(tmp_path):
    first = Store(tmp_path, "files")
    paths = [tmp_path / f"f/learnt/custom/p/{name}.npy" for name in ARRAYS]
    for path, array in zip(paths, ARRAYS.values(), strict=True):
        first.write(path, array)
    for kind, left in (("shards", {NAME, f"{NAME}-lock"}), ("files", {path.name for path in paths})):
        store = Store(tmp_path, kind)
        assert store.gather(tmp_path / "f") == len(ARRAYS)
        assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == left
        for path, array in zip(paths, ARRAYS.values(), strict=True):
            np.testing.assert_array_equal(store.read(path), array)
        assert store.gather(tmp_path / "f") == 0


def test_a_folder_that_was_deleted_is_begun_anew(tmp_path):
    store = Store(tmp_path, "shards")
    store.write(tmp_path / "f/c/a.npy", np.ones(1))
    shutil.rmtree(tmp_path / "f")
    assert store.read(tmp_path / "f/c/a.npy") is None
    store.write(tmp_path / "f/c/b.npy", np.ones(2))
    assert len(store.read(tmp_path / "f/c/b.npy")) == 2 and store.read(tmp_path / "f/c/a.npy") is None


# With features


def staged(folder, kind, jobs=1):
    features = {"mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}, "audio": {}, "f0": {}}
    config = toy_config(folder, preprocess={"features": features, "store": kind}, train={"workers": 1, "max_steps": 2, "valid_every": 2})
    experiment = Experiment.read(config)
    assert extract(experiment, jobs=jobs) == {}
    return experiment


def kept(experiment):
    folder = experiment.features.folder("f0")
    return Counter(path.suffix for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")


def test_training_reads_the_same_from_both(tmp_path):
    made = {kind: staged(make_corpus(tmp_path / kind, [1.0] * 12), kind, jobs=2) for kind in ("files", "shards")}
    assert kept(made["files"]) == {".npy": 12} and kept(made["shards"]) == {".mdb": 1, ".mdb-lock": 1}
    for one, other in zip(made["files"].everything(), made["shards"].everything(), strict=True):
        expected = made["files"].features.raw(one, ["f0"])["f0"]
        np.testing.assert_array_equal(made["shards"].features.raw(other, ["f0"])["f0"], expected)
    assert made["files"].card == made["shards"].card
    assert Trainer(made["shards"], "run").fit().step == 2


def test_crops_are_the_same_from_both(tmp_path):
    """A crop slices what is kept."""
    crops = []
    for kind in ("files", "shards"):
        made = staged(make_corpus(tmp_path / kind, [1.0] * 6), kind)
        train = made.utterances("train")
        data = Utterances(train, made.features, ["mel", "f0"], [], segment_frames=12, seed=0)
        crops.append([data[0, place] for place in range(len(train))])
    for one, other in zip(*crops, strict=True):
        assert one["f0"].shape == (12,)
        np.testing.assert_array_equal(one["f0"], other["f0"])
        np.testing.assert_array_equal(one["mel"], other["mel"])


def test_another_store_computes_nothing_again(tmp_path, monkeypatch):
    from processors.f0 import F0

    folder = make_corpus(tmp_path, [1.0] * 8)
    first = staged(folder, "files")
    expected = [first.features.raw(u, ["f0"])["f0"].tolist() for u in first.everything()]
    calls = []
    right = F0.__call__
    monkeypatch.setattr(F0, "__call__", lambda *words, **named: calls.append(1) or right(*words, **named))
    for kind, files in (("shards", {".mdb": 1, ".mdb-lock": 1}), ("files", {".npy": 8})):
        made = staged(folder, kind)
        assert kept(made) == files
        assert [made.features.raw(u, ["f0"])["f0"].tolist() for u in made.everything()] == expected
    assert calls == []


def test_the_settings_name_the_choices(tmp_path):
    with pytest.raises(ValueError, match="preprocess.store.*files.*shards"):
        Experiment.read(toy_config(make_corpus(tmp_path, [1.0] * 4), preprocess={"store": "shard"}))
