"""The programs. Whatever folder they are called from, the packages of this house come before files of the same names there."""

import sys
from pathlib import Path

_root = str(Path(__file__).resolve().parents[1])
if sys.path[:1] != [_root]:
    sys.path.insert(0, _root)
