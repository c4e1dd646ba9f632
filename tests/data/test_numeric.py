import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.numeric import as_number, constant_columns, number_column, parse_number
from elman.data.table import Table
from elman.errors import DataError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3.0),
        (" 3 ", 3.0),
        ("\t3\u00a0", 3.0),
        ("+2", 2.0),
        ("-0.5", -0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
        ("007", 7.0),
        ("0.1", 0.1),
        ("1e-400", 0.0),
    ],
)
def test_numbers(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "  ", "NA", " NA ", "N/A", "NaN", "nan", "null", "None"])
def test_missing(text):
    assert math.isnan(parse_number(text))


@pytest.mark.parametrize(
    ("text", "help_"),
    [
        ("1,5", "write 1.5; a decimal comma is not guessed"),
        (" -1,25 ", "write -1.25; a decimal comma is not guessed"),
        (",5", "write 0.5; a decimal comma is not guessed"),
        ("1,234", "write 1.234 or 1234; a decimal comma is not guessed"),
        ("1,234.5", "write 1234.5; separators between thousands are not read"),
        ("1.234,5", "write 1234.5; separators between thousands are not read"),
        ("1.234.567", "write 1234567; separators between thousands are not read"),
        ("-1 234", "write -1234; separators between thousands are not read"),
        ("1'234'567", "write 1234567; separators between thousands are not read"),
        ("1_000", "write 1000; separators between thousands are not read"),
        ("0x10", "write 16; only decimal digits are read"),
        ("TRUE", "write 1 or 0"),
        ("1_0", "write it like 1.5, or leave the cell empty if the value is missing"),
        ("5%", "write it like 1.5, or leave the cell empty if the value is missing"),
        ("１", "write it like 1.5, or leave the cell empty if the value is missing"),
        ("−1", "write it like 1.5, or leave the cell empty if the value is missing"),
        ("1e", "write it like 1.5, or leave the cell empty if the value is missing"),
        (".", "write it like 1.5, or leave the cell empty if the value is missing"),
        ("NAN", "write it like 1.5, or leave the cell empty if the value is missing"),
        ("none", "write it like 1.5, or leave the cell empty if the value is missing"),
        ("1\n2", "write it like 1.5, or leave the cell empty if the value is missing"),
    ],
)
def test_no_numbers(text, help_):
    with pytest.raises(DataError) as caught:
        parse_number(text)
    assert (caught.value.code, caught.value.help) == ("E271", help_)
    assert caught.value.message == f"{text!r} is not a number"


@pytest.mark.parametrize("text", ["inf", "-inf", "Infinity", "+INF", "∞", "1e999", "9" * 400])
def test_infinite_texts(text):
    with pytest.raises(DataError) as caught:
        parse_number(text)
    assert caught.value.code == "E272"


def test_a_long_cell_is_shown_cut_and_quickly_refused():
    with pytest.raises(DataError) as caught:
        parse_number("1" * 1_000_000 + "x")
    assert len(caught.value.message) < 80


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(" \t\n", max_size=3))
def test_every_float_comes_back_from_its_text(number, blanks):
    assert parse_number(blanks + repr(number) + blanks) == number
    assert math.copysign(1, parse_number(repr(number))) == math.copysign(1, number)


@given(st.text("0123456789.,+-eE_ xnaN", max_size=8))
def test_what_is_read_is_what_python_reads(text):
    try:
        number = parse_number(text)
    except DataError:
        return
    if math.isnan(number):
        assert text.strip() in {"", "NA", "NaN", "nan"}
    else:
        assert number == float(text)
        assert "_" not in text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (True, 1.0),
        (np.False_, 0.0),
        (3, 3.0),
        (2**70, 2.0**70),
        (np.uint8(7), 7.0),
        (np.float32(0.5), 0.5),
        (Decimal("1.25"), 1.25),
        (Fraction(1, 4), 0.25),
    ],
)
def test_values_of_python(value, number):
    assert as_number(value) == number
    assert type(as_number(value)) is float


@pytest.mark.parametrize("value", [None, math.nan, np.float32("nan"), pd.NA, pd.NaT, Decimal("NaN")])
def test_missing_values_of_python(value):
    assert math.isnan(as_number(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3", "'3' is a text, not a number"),
        ([1], "[1] is a list, not a number"),
        (1j, "1j is a complex, not a number"),
        (np.complex64(1), "(1+0j) is a complex64, not a number"),
        (np.datetime64("2024"), "datetime.date(2024, 1, 1) is a datetime64, not a number"),
        (Decimal("sNaN"), "Decimal('sNaN') is a Decimal, not a number"),
        (np.array(1.0), "array(1.) is a ndarray, not a number"),
    ],
)
def test_values_that_are_no_numbers(value, message):
    with pytest.raises(DataError) as caught:
        as_number(value)
    assert (caught.value.code, caught.value.message) == ("E271", message)


@pytest.mark.parametrize("value", [math.inf, -np.inf, 10**400, Decimal("1e999"), Decimal("-Infinity")])
def test_values_too_large(value):
    with pytest.raises(DataError) as caught:
        as_number(value)
    assert caught.value.code == "E272"


def table(values, name="x"):
    return Table({name: values}, list(range(2, len(values) + 2)), "a.csv")


def test_a_column():
    numbers = number_column(table([" 3 ", "", 2, True, None, 0.5]), "x")
    assert numbers.dtype == np.float64
    assert [None if math.isnan(n) else n for n in numbers.tolist()] == [3.0, None, 2.0, 1.0, None, 0.5]


@pytest.mark.parametrize(
    ("value", "code"), [("1,5", "E271"), ("inf", "E272"), ([1.0], "E271"), (math.inf, "E272")]
)
def test_a_bad_cell_is_named_with_its_line(value, code):
    with pytest.raises(DataError) as caught:
        number_column(table(["1", "2", value]), "x")
    assert (caught.value.code, caught.value.where) == (code, "a.csv, line 4, column x")
    assert caught.value.help


def test_no_such_column():
    with pytest.raises(DataError) as caught:
        number_column(table(["1"]), "X")
    assert (caught.value.code, caught.value.help) == ("E201", "did you mean x ?")


def test_constant_columns():
    columns = {"a": ["1", "1.0", ""], "b": ["1", "2", "1"], "c": ["", "NA", None], "d": [0.1, 0.1, 0.1]}
    assert constant_columns(Table(columns, [2, 3, 4], "a.csv"), ["d", "a", "b", "c"]) == ["d", "a"]
