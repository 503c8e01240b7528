"""What Windows lacks is used nowhere unguarded: `python -m bins.recipe` goes all the way there, without bash. Read from the source."""

import ast
import os
import sys

import pytest

from models.base import lock
from tests.test_layers import FILES, ROOT
from utils.files import flush

LACKING = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix"}  # modules
OF_OS = {"fork", "symlink", "setsid", "getuid", "geteuid", "killpg", "nice", "mkfifo", "sched_getaffinity", "statvfs", "chown", "getpgid"}
OF_SIGNAL = {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "alarm", "setitimer", "pthread_sigmask"}
OF_POSIX = {f"os.{name}" for name in OF_OS} | {f"signal.{name}" for name in OF_SIGNAL}
KEYWORDS = {"preexec_fn", "start_new_session", "pass_fds"}
PLACES = ("/tmp", "/dev/", "/proc/", "/usr/", "/bin/")
GUARDS = ("sys.platform", "os.name", "hasattr(os")
TEXT = {"read_text", "write_text"}


def faults(source):
    """What of a file's source would fail on Windows: (line, what)."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        what = fault_of(node)
        if what and not guarded(node, parents):
            yield node.lineno, what


def guarded(node, parents):
    """Whether a condition around it, or before it in its function, asks which system this is."""
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.If | ast.IfExp) and any(guard in ast.unparse(node.test) for guard in GUARDS):
            return True
        if isinstance(node, ast.FunctionDef):
            leaves = [part for part in node.body if isinstance(part, ast.If) and isinstance(part.body[-1], ast.Return)]
            return any(guard in ast.unparse(part.test) for part in leaves for guard in GUARDS)
    return False


def fault_of(node):
    if isinstance(node, ast.Import) and {alias.name for alias in node.names} & LACKING:
        return ast.unparse(node)
    if isinstance(node, ast.Attribute) and ast.unparse(node) in OF_POSIX:
        return ast.unparse(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(PLACES):
        return f"the path {node.value!r}"
    return fault_of_call(node) if isinstance(node, ast.Call) else None


def fault_of_call(call):
    name = ast.unparse(call.func)
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    arguments = [ast.unparse(argument) for argument in call.args]
    if keywords.keys() & KEYWORDS or keywords.get("shell") == "True":
        return f"{name} with {', '.join(keywords)}"
    if name == "os.kill" and arguments[1:] == ["0"]:
        return "os.kill(process, 0), which is Ctrl-C to it"
    if name.endswith("get_context") and "'fork'" in arguments:
        return "processes that are forked"
    if isinstance(call.func, ast.Attribute) and call.func.attr in TEXT and "encoding" not in keywords and len(arguments) < 2:
        return f"{name} in the encoding of the machine, which there is not UTF-8"
    binary = any("b" in mode for mode in [*arguments[1:2], keywords.get("mode", "")])
    if name == "open" and not binary and "encoding" not in keywords:
        return "open in the encoding of the machine, which there is not UTF-8"
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_windows_lacks_is_used_unguarded(path):
    found = [f"line {line}: {what}" for line, what in faults(path.read_text(encoding="utf-8"))]
    assert not found, f"{path.relative_to(ROOT)}: {found}"


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl", "import os\nos.kill(3, 0)", "import signal\nx = -signal.SIGKILL", "open('a')", "p.read_text()", "x = '/tmp/a'",
        "import subprocess\nsubprocess.run('ls', shell=True)", "import multiprocessing\nmultiprocessing.get_context('fork')",
    ],
)  # fmt: skip
def test_it_is_found(source):
    assert list(faults(source))
    asked = "import sys\nif sys.platform == 'linux':\n" + "".join(f"    {line}\n" for line in source.splitlines())
    assert not list(faults(asked))


def test_a_lock_and_a_flush_without_what_windows_lacks(tmp_path, monkeypatch):
    """The branches for Windows, with its modules stood in for."""

    class Locking:
        LK_NBLCK = 2
        held = set()

        @classmethod
        def locking(cls, handle, mode, size):
            place = os.fstat(handle).st_ino
            if place in cls.held:
                raise PermissionError("held")
            cls.held.add(place)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", Locking)
    monkeypatch.setattr(os, "kill", None)
    with lock.lock(tmp_path / "run"), pytest.raises(ValueError, match="another run"), lock.lock(tmp_path / "run"):
        pass
    flush(tmp_path)  # a folder cannot be waited for there
    (tmp_path / "a").write_bytes(b"a")
    flush(tmp_path / "a")
