import subprocess
import sys

import pytest

import elman.train

TORCH_FREE = ["", ".settings", ".metrics", ".progress", ".checkpoint", ".clock"]


@pytest.mark.parametrize("module", TORCH_FREE)
def test_importing_needs_no_torch(module):
    code = (
        f"import sys, elman.train{module}; print(sorted({{'torch', 'sklearn', 'pandas'}} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_the_public_names():
    assert elman.train.__all__ == ["Checkpoint", "LoopSettings", "Progress", "learn"]
    assert dir(elman.train) == elman.train.__all__
    assert [getattr(elman.train, name).__name__ for name in elman.train.__all__] == elman.train.__all__
    with pytest.raises(AttributeError, match="no attribute 'lern'"):
        _ = elman.train.lern
