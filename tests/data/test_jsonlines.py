from pathlib import Path

from elman.data.jsonlines import read_jsonl
from elman.data.source import Source


def read(tmp_path: Path, text: str):
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    ((columns, lines, _, _),) = read_jsonl(Source(tmp_path / "a.jsonl", "a.jsonl"))
    return columns, lines


def test_keys_are_columns_in_the_order_of_their_coming(tmp_path):
    columns, lines = read(
        tmp_path, '{"b": 1}\n\n{"a": "x", "b": null}\n{}\n{"c": [1, {"d": true}], "a": 2.5}\n'
    )
    assert list(columns) == ["b", "a", "c"]
    assert columns == {
        "b": [1, None, None, None],
        "a": [None, "x", None, 2.5],
        "c": [None, None, None, [1, {"d": True}]],
    }
    assert lines == [1, 3, 4, 5]


def test_whole_characters_may_be_escaped(tmp_path):
    columns, _ = read(tmp_path, r'{"a": "\ud83d\ude42 \u00e9"}')
    assert columns == {"a": ["🙂 é"]}


def test_line_separators_within_a_text_end_no_line(tmp_path):
    columns, _ = read(tmp_path, '{"a": "x\u2028y\x85z"}\r\n{"a": " 1 "}')
    assert columns == {"a": ["x\u2028y\x85z", " 1 "]}
