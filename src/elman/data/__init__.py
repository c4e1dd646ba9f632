"""Values to arrays and back. Knows no network."""

from elman.data.batch import Batch, batch_rows, make_batch, pad
from elman.data.codec import LabelCodec, TextCodec
from elman.data.delimited import write_csv
from elman.data.kinds import CODECS
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.numeric import constant_columns, number_column, parse_number
from elman.data.samples import SAMPLES, load_names, load_sine, load_sine_to_cosine
from elman.data.sequences import as_groups, as_labels, as_texts, as_weights, check_same_length
from elman.data.series import as_series, as_targets
from elman.data.split import split
from elman.data.steps import Steps, steps, wide
from elman.data.table import Table, read_stream

__all__ = [
    "CODECS",
    "SAMPLES",
    "Batch",
    "LabelCodec",
    "MixedCodec",
    "NumberCodec",
    "Steps",
    "Table",
    "TextCodec",
    "as_groups",
    "as_labels",
    "as_series",
    "as_targets",
    "as_texts",
    "as_weights",
    "batch_rows",
    "check_same_length",
    "constant_columns",
    "load_names",
    "load_sine",
    "load_sine_to_cosine",
    "make_batch",
    "number_column",
    "pad",
    "parse_number",
    "read_stream",
    "split",
    "steps",
    "wide",
    "write_csv",
]
