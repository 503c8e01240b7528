"""Pickled checkpoints of other programs: their tensors are read, their code never runs, and a small file stays small."""

import argparse
import collections
import enum
import functools
import io
import pathlib
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from utils.files import read_array, read_weights

RAN = []  # what a stranger's code would leave a trace in


def stranger(kind):
    """A class of this name in a module that is gone when the file is read."""
    kind.__module__, kind.__qualname__ = "somebodys.project", kind.__name__
    return kind


@stranger
class Settings:
    def __init__(self):
        self.layers = 3

    def __setstate__(self, state):
        RAN.append("setstate")
        self.__dict__.update(state)


@stranger
class AttrDict(dict):
    def __setitem__(self, key, value):
        RAN.append("setitem")
        super().__setitem__(key, value)


@stranger
class Rows(list):
    def append(self, value):
        RAN.append("append")
        super().append(value)


@stranger
class Kind(enum.Enum):
    A = "a"


@stranger
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 5)
        self.stack = nn.ModuleList([nn.Linear(2, 2), nn.BatchNorm1d(2)])
        self.activation = nn.functional.relu
        self.register_buffer("passing", torch.ones(1), persistent=False)


@stranger
def somebodys_function(*_):
    RAN.append("function")


EXTRAS = {
    "numpy scalars": {"loss": np.float64(0.5), "step": np.int64(3), "done": np.bool_(True)},
    "numpy arrays": {"mean": np.arange(3.0), "random": np.random.get_state()},
    "a generator": np.random.default_rng(0),
    "argparse": argparse.Namespace(lr=1e-3, path=pathlib.PurePosixPath("a/b")),
    "paths": [pathlib.Path("/a"), {pathlib.Path("b"): 1}],
    "defaultdict": collections.defaultdict(list, {"a": [1]}),
    "nested defaultdict": collections.defaultdict(functools.partial(collections.defaultdict, int), a={}),
    "a deque": collections.deque([1, 2], 5),
    "project object": Settings(),
    "project dict": AttrDict(a=1, b=AttrDict(c=2)),
    "project list": Rows([1, 2]),
    "project enum": {Kind.A: Kind.A},
    "named function": [somebodys_function, nn.functional.relu],
    "several": [AttrDict(a=Rows([Settings()])), collections.OrderedDict(a=AttrDict(b=np.float32(1)))],
    "simple": types.SimpleNamespace(a=1),
}


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Saves an object in either format, whose project cannot be imported afterwards."""

    def save(value, modern=True, name="model.pt"):
        project = types.ModuleType("somebodys.project")
        for member in (Settings, AttrDict, Rows, Kind, Net, somebodys_function):
            setattr(project, member.__name__, member)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "somebodys", types.ModuleType("somebodys"))
            patch.setitem(sys.modules, "somebodys.project", project)
            torch.save(value, tmp_path / name, _use_new_zipfile_serialization=modern)
        RAN.clear()
        return tmp_path / name

    return save


@pytest.mark.parametrize("modern", [True, False], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("extra", EXTRAS)
def test_tensors_beside_other_objects_are_read(save, extra, modern):
    weights = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2, dtype=torch.float16)}
    found = read_weights(save({"extra": EXTRAS[extra], "state_dict": weights, "epoch": 5}, modern))
    assert found["epoch"] == 5 and found["state_dict"].keys() == weights.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(found["state_dict"][name], tensor)
    assert not RAN


def test_settings_that_a_pickle_holds_can_be_looked_at(save):
    found = read_weights(save({"a": argparse.Namespace(lr=0.1), "b": AttrDict(c=AttrDict(d=2)), "e": Settings()}))
    assert found["a"].lr == 0.1 and found["b"]["c"]["d"] == 2 and found["e"].layers == 3


def test_a_module_pickled_whole_becomes_its_state_dict(save):
    net = Net()
    found = read_weights(save({"model": net, "optimizer": {}}))["model"]
    assert found.keys() == net.state_dict().keys()
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(found[name], tensor)
    assert read_weights(save(net)).keys() == net.state_dict().keys()


class Calls:
    """An object that is pickled as a call of anything."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


CODE = (
    b"builtins\neval", b"builtins\nexec", b"builtins\ngetattr", b"builtins\n__import__", b"builtins\nopen", b"__builtin__\neval",
    b"os\nsystem", b"posix\nsystem", b"nt\nsystem", b"subprocess\nPopen", b"subprocess\ncall", b"runpy\n_run_code", b"importlib\nimport_module",
    b"pickle\nloads", b"shutil\nrmtree", b"socket\nsocket", b"operator\nattrgetter", b"sys\nexit", b"ctypes\nCDLL", b"code\nInteractiveConsole",
    b"torch\nload", b"torch.hub\nload", b"torch.utils.collect_env\nrun", b"numpy.testing._private.utils\nrunstring", b"pip._internal\nmain",
    b"somebodys.project\nrun", b"utils.files\nwrite_json", b"builtins\nbytearray.fromhex", b"multiprocessing.reduction\nDupFd",
)  # fmt: skip


def archive(path, pickled: bytes):
    """A zip as torch writes it, around any pickle."""
    torch.save({}, path)
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in parts.items():
            new.writestr(name, pickled if name.endswith("data.pkl") else data)
    return path


def legacy(path, pickled: bytes):
    """A file as torch before 1.6 wrote it, around any pickle."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    path.write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in head) + pickled + pickle.dumps([], protocol=2))
    return path


@pytest.mark.parametrize("container", [archive, legacy])
@pytest.mark.parametrize("name", CODE, ids=lambda name: name.decode().replace("\n", "."))
@pytest.mark.parametrize("call", [b"(X\x01\x00\x00\x001tR", b"(X\x01\x00\x00\x001t\x81", b")R"], ids=["called", "made", "called bare"])
def test_a_pickle_that_would_call_something_is_refused(tmp_path, monkeypatch, container, name, call):
    for function in ("system", "popen"):
        monkeypatch.setattr(f"os.{function}", lambda *_: RAN.append("system"))
    RAN.clear()
    with pytest.raises(ValueError, match=r"is refused|is damaged"):
        read_weights(container(tmp_path / "evil.pt", b"\x80\x02c" + name + b"\n" + call + b"."))
    assert not RAN


@pytest.mark.parametrize("container", [archive, legacy])
def test_state_does_not_turn_a_stand_in_into_something_else(tmp_path, container):
    """`__setstate__` and `__class__` among the values of an object stay without effect."""
    made = b"csomebodys.project\nThing\n)\x81q\x00"
    state = b"}X\x0c\x00\x00\x00__setstate__csomebodys.project\nrun\nsX\x09\x00\x00\x00__class__ctorch\nload\nsb"
    path = container(tmp_path / "evil.pt", b"\x80\x02" + made + state + b"h\x00}X\x01\x00\x00\x00aX\x01\x00\x00\x00bsb.")
    found = read_weights(path)
    assert vars(found) == {"a": "b"} and type(found).__name__ == "somebodys.project.Thing"


def test_modules_inside_themselves_are_refused(tmp_path):
    ring = {"_parameters": {}, "_buffers": {}, "_modules": {}}
    pickled = pickle.dumps(ring, protocol=2)[:-1]  # without STOP
    body = b"\x80\x02csomebodys.project\nNet\n)\x81q\xf0" + pickled[2:] + b"b."
    two = body.replace(b"_modulesq\x05}q\x06", b"_modulesq\x05}(X\x01\x00\x00\x00ah\xf0X\x01\x00\x00\x00bh\xf0u")
    assert two != body
    with pytest.raises(ValueError, match="nested without end"):
        read_weights(archive(tmp_path / "ring.pt", two))


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "bomb.pt"
    torch.save({"a": torch.zeros(1 << 26)}, path)  # 256 MB of zeros
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert (tmp_path / "small.pt").stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=r"small.pt is refused: its \d+ bytes would become \d+"):
        read_weights(tmp_path / "small.pt")
    read_weights(path)


def test_a_tensor_larger_than_its_file_is_refused(tmp_path):
    torch.save({"a": [torch.zeros(1).expand(1 << 15, 1 << 15)]}, tmp_path / "wide.pt")
    with pytest.raises(ValueError, match=r"it holds a tensor of \(32768, 32768\)"):
        read_weights(tmp_path / "wide.pt")


@pytest.mark.parametrize("container", [archive, legacy])
def test_a_call_for_memory_is_refused(tmp_path, container):
    with pytest.raises(ValueError, match="bytearray"):
        read_weights(container(tmp_path / "bomb.pt", b"\x80\x02cbuiltins\nbytearray\n(\x8a\x05\x00\x00\x00\x00\x08tR."))  # 32 GB


def test_damaged_pickles_are_named(tmp_path):
    """Any byte of a small checkpoint changed or cut: it is read, or an error names the file."""
    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(2), "b": argparse.Namespace(c=1)}, path)
    with zipfile.ZipFile(path) as file:
        pickled = next(file.read(name) for name in file.namelist() if name.endswith("data.pkl"))
    random = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(pickled)
        data[random.integers(len(data))] = random.integers(256)
        for container, body in ((archive, bytes(data)), (legacy, bytes(data)), (archive, pickled[: random.integers(len(pickled))])):
            try:
                read_weights(container(path, body))
            except ValueError as error:
                assert str(path) in str(error)


def test_arrays_that_lie(tmp_path):
    path = tmp_path / "stats.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(read_array(path), np.arange(6.0).reshape(2, 3))
    whole = path.read_bytes()
    for damage in (whole[:100], b"", b"\x93NUMPY", whole.replace(b"(2, 3)", b"(2, 3" + b"0" * 11 + b")"), b"not an array"):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"stats.npy is damaged"):
            read_array(path)
    packed = io.BytesIO()
    np.savez_compressed(packed, a=np.zeros(1 << 24))
    path.write_bytes(packed.getvalue())
    with pytest.raises(ValueError, match="archive of several arrays"):
        read_array(path)
    np.save(path, np.array([Calls(print, "code ran")], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="damaged"):
        read_array(path)
