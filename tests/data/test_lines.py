import pytest

from elman.data.lines import lines_of


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\n", ["a", ""]),
        ("a\rb\r\nc\n\rd", ["a", "b", "c", "", "d"]),
        (" a \u2028\x0b\x1e ", [" a \u2028\x0b\x1e "]),
    ],
)
def test_lines_of(text, lines):
    assert lines_of(text) == lines
