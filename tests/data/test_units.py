import pytest

from elman.data.units import UNITS

TEXTS = ["", "Rossi", "don't", "a b", "é🙂", "x\ty"]


def test_every_unit_is_tried():
    assert set(UNITS) == {"character", "byte", "word"}


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("text", TEXTS)
def test_what_is_cut_is_a_symbol_and_joins_to_a_fixed_point(name, text):
    unit = UNITS[name]
    symbols = unit.cut(text)
    assert all(unit.is_symbol(symbol) for symbol in symbols)
    joined = unit.join(symbols)
    assert list(unit.cut(joined)) == list(symbols)
    assert name == "word" or joined == text


@pytest.mark.parametrize(
    ("name", "entry"),
    [("character", "ab"), ("character", ""), ("byte", "Ā"), ("byte", ""), ("word", "a b"), ("word", "")],
)
def test_what_is_no_symbol(name, entry):
    assert not UNITS[name].is_symbol(entry)


@pytest.mark.parametrize(
    ("name", "symbol", "shown"),
    [("character", "é", "é"), ("character", "\u200b", "U+200B"), ("byte", "é", "0xE9"), ("word", "no", "no")],
)
def test_shown(name, symbol, shown):
    assert UNITS[name].shown(symbol) == shown
