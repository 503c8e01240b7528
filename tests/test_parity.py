"""Every file of the parity kit that belongs to a model here: reference weights in, reference outputs out.

The folder is AMPHION_PARITY, by default ../shared/parity/golden beside this repository. A family's module in
tests/parity names in `CASES` which files it answers for; a file that nothing answers for is a model not built yet.
"""

import fnmatch
import importlib
import os
import pkgutil
from pathlib import Path

import pytest

import tests.parity
from tests.conftest import SHARED

FOLDER = Path(os.environ.get("AMPHION_PARITY", SHARED / "parity/golden"))
MODULES = [importlib.import_module(f"tests.parity.{m.name}") for m in pkgutil.iter_modules(tests.parity.__path__)]
CHECKS = {pattern: check for module in MODULES for pattern, check in module.CASES.items()}


def checker(name):
    return next((check for pattern, check in CHECKS.items() if fnmatch.fnmatch(name, pattern)), None)


FILES = sorted(p for p in FOLDER.glob("*.*") if checker(p.name)) if FOLDER.is_dir() else []


@pytest.mark.skipif(not FILES, reason=f"no parity files in {FOLDER}; set AMPHION_PARITY")
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_parity(path):
    checker(path.name)(path)
