import numpy as np
import pytest

from elman.data import Table
from elman.errors import DataError


def test_arrays_are_columns(tmp_path):
    x = np.arange(12.0).reshape(3, 2, 2)
    np.savez(tmp_path / "a.npz", x=x, y=np.array([1, 2, 3]), label=np.array(["a", "b", "a"]))
    table = Table.read(tmp_path / "a.npz")
    assert table.column("x") == x.tolist()
    assert table.column("y") == [1, 2, 3]
    assert table.column("label") == ["a", "b", "a"]
    assert table.place(1, "y") == "a.npz, row 2, column y"


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"x": np.zeros(3), "y": np.zeros(2)}, "E221"),
        ({"x": np.array(3.0)}, "E221"),
        ({"x": np.zeros(0)}, "E206"),
        ({"x": np.array([{}, []], object)}, "E226"),
    ],
)
def test_what_cannot_be_read(tmp_path, arrays, code):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError) as caught:
        Table.read(tmp_path / "a.npz")
    assert caught.value.code == code


def test_what_is_no_npz(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    data = (tmp_path / "a.npz").read_bytes()
    for broken in (data[:50], b"PK\x03\x04nothing", b"x,y\n1,2\n"):
        (tmp_path / "a.npz").write_bytes(broken)
        with pytest.raises(DataError) as caught:
            Table.read(tmp_path / "a.npz")
        assert caught.value.code == "E226"
