"""Ten thousand spoiled model files, each refused with a sentence or giving the answers it gave before."""

from __future__ import annotations

import pytest

from tests.models.test_spoiled import check, load_spoiled


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_spoiled_files(tmp_path, capsys):
    told = load_spoiled(10_000, 0, tmp_path)
    check(told, 10_000)
    with capsys.disabled():  # the figures are the proof
        for name in ("outcomes", "slowest", "most_mebibytes"):
            print(f"\n{name}: {told[name]}")
