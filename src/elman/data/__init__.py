"""Values to arrays and back. Knows no network."""

from elman.data.batch import Batch, batch_rows, make_batch, pad
from elman.data.codec import CODECS, LabelCodec, TextCodec
from elman.data.delimited import write_csv
from elman.data.samples import SAMPLES, load_names
from elman.data.sequences import as_groups, as_labels, as_texts, as_weights, check_same_length
from elman.data.split import split
from elman.data.table import Table, read_stream

__all__ = [
    "CODECS",
    "SAMPLES",
    "Batch",
    "LabelCodec",
    "Table",
    "TextCodec",
    "as_groups",
    "as_labels",
    "as_texts",
    "as_weights",
    "batch_rows",
    "check_same_length",
    "load_names",
    "make_batch",
    "pad",
    "read_stream",
    "split",
    "write_csv",
]
