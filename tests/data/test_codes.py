"""The list of codes is whole, and reading data drags nothing heavy in."""

import re
import subprocess
import sys
from pathlib import Path

import elman.data
from elman.data.codes import CODES


def test_every_code_that_is_raised_is_explained_and_the_other_way_round():
    folder = Path(elman.data.__file__).parent
    raised = {
        code
        for path in folder.glob("*.py")
        if path.name != "codes.py"
        for code in re.findall(r'"(E\d{3})"', path.read_text(encoding="utf-8"))
    }
    assert raised == set(CODES)


def test_public_names_are_there():
    assert all(hasattr(elman.data, name) for name in elman.data.__all__)
    assert len(elman.data.__all__) == 30


def test_nothing_heavy_is_imported():
    heavy = ["torch", "sklearn", "pandas", "pyarrow", "faker", "polars", "scipy"]
    code = f"import sys, elman.data; assert not set(sys.modules) & set({heavy})"
    subprocess.run([sys.executable, "-c", code], check=True)
