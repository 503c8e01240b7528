"""Imports point one way, and house rules that a linter cannot hold."""

import ast

import pytest

from tests.conftest import ROOT

# A package may import those before it; `modules` stands alone on torch.
FLOORS = ["utils", "visualization", "preprocessors", "processors", "modules", "models", "evaluation", "bins", "amphion"]
ALLOWED = {
    "utils": {"utils"},
    "visualization": {"utils", "visualization"},
    "preprocessors": {"utils", "preprocessors"},
    "processors": {"utils", "preprocessors", "processors"},
    "modules": {"modules"},
    "models": {"utils", "visualization", "preprocessors", "processors", "modules", "models"},
    "evaluation": {"utils", "visualization", "processors", "preprocessors", "evaluation"},
    "bins": set(FLOORS),
    "amphion": set(FLOORS),
}
FILES = sorted(p for floor in FLOORS for p in (ROOT / floor).rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    floor = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in imports(path)} & set(FLOORS)
    assert ours <= ALLOWED[floor], f"{path.name} on floor {floor} reaches up to {ours - ALLOWED[floor]}"


def test_inside_models_base_knows_no_model():
    for path in (ROOT / "models/base").rglob("*.py"):
        names = {n for n in imports(path) if n.startswith("models.") and not n.startswith("models.base")}
        assert not names, f"{path.name}: {names}"


def test_tasks_do_not_import_one_another():
    for task in ("svc", "tta", "tts"):
        for path in (ROOT / "models" / task).rglob("*.py"):
            for name in imports(path):
                other = name.split(".")[1] if name.startswith("models.") and "." in name else task
                assert other in (task, "base", "vocoders", "codec"), f"{path}: {name}"


def test_an_installation_has_every_package_and_every_file_of_it(monkeypatch):
    from setuptools import distutils

    monkeypatch.chdir(ROOT)
    installed = distutils.core.run_setup("setup.py", stop_after="init")
    for path in FILES:
        package = ".".join(path.relative_to(ROOT).parent.parts)
        assert package in installed.packages, path
    data = set()
    for package, patterns in installed.package_data.items():
        folder = ROOT / package.replace(".", "/")
        for pattern in patterns:
            data.update(folder.glob(pattern))
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.*"):
            if path.suffix != ".py" and path.parent.name != "__pycache__":
                assert path in data, f"{path}: name it in setup.py's package_data"


def test_weights_are_unpickled_in_one_place_only():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert path == ROOT / "utils/files.py", path
                assert any(k.arg == "weights_only" and k.value.value is True for k in node.keywords)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 420, "one idea, one file: what is the second idea here?"


def test_numba_is_called_in_one_way():
    """Compiled loops stand in files named loops.py, which are imported where they run: the compiler takes half a second to load."""
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        compiled = {name.split(".")[0] for name in imports(path)} & {"numba", "llvmlite"}
        assert not compiled or path.name == "loops.py", f"{path}: move what is compiled into a loops.py beside it"
        if compiled:
            functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
            ways = {ast.unparse(node) for function in functions for node in function.decorator_list}
            assert compiled == {"numba"} and ways == {"numba.njit(cache=True, nogil=True)"}, f"{path}: {ways}"


def test_no_module_imports_itself_by_way_of_others():
    """Imports within functions count too: whoever reads the one of two files must not have to read the other first."""
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES}
    known = set(names.values())
    needs = {name: set(modules_of(path, known)) - {name} for path, name in names.items()}
    ends = True
    while ends:  # take away, again and again, what needs nothing that is left, and what nothing that is left needs
        needed = {name for others in needs.values() for name in others}
        ends = {name for name, others in needs.items() if not others & needs.keys() or name not in needed}
        needs = {name: others for name, others in needs.items() if name not in ends}
    assert not needs, f"these lean on one another: {sorted(needs)}"


def modules_of(path, known):
    """The modules of ours that a file imports; names for type checkers do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    passed = {id(node) for guard in guards for node in ast.walk(guard)}
    for node in ast.walk(tree):
        if id(node) in passed:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from parts & known or {node.module} & known


@pytest.mark.parametrize("path", sorted((ROOT / "models").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_model_can_do_is_asked_of_its_contract(path):
    """Nobody looks whether a model happens to have a name: `models.base.model` says what there is."""
    calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)}
    guesses = calls & {"hasattr", "inspect.signature", "signature"}
    assert not guesses or path == ROOT / "models/base/model.py", f"{path.name}: {guesses}"


MOST_ARGUMENTS = 12


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_takes_many_arguments_has_them_in_groups(path):
    """Besides `self`. Settings that belong together are a dataclass, whose former names `utils.config.in_groups` reads."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        names = [argument.arg for argument in given if argument.arg not in ("self", "cls")]
        assert len(names) <= MOST_ARGUMENTS, f"{node.name}, line {node.lineno}, takes {len(names)}: which belong together?"


def size_of(function, lines):
    """Lines of code and syntax nodes of a function, without its docstring, blank lines and comments."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    documented = set(range(first.lineno, first.end_lineno + 1)) if has_docstring else set()
    numbers = set(range(function.lineno, function.end_lineno + 1)) - documented
    written = [lines[number - 1].strip() for number in numbers]
    code = [line for line in written if line and not line.startswith("#")]
    nodes = sum(1 for _ in ast.walk(function)) - 2 * has_docstring
    return len(code), nodes


def test_a_function_says_one_thing_a_line():
    """Those of six lines of code or more have at most fifteen syntax nodes a line."""
    over = []
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        lines = source.split("\n")
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            count, nodes = size_of(node, lines)
            if count >= 6 and nodes > 15 * count:
                over.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not over, f"name what lies between, one step a line: {over}"
