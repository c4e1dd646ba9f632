"""Values to arrays and back. Knows no network."""

from elman.data.batch import Batch, batch_rows, make_batch, pad
from elman.data.codec import CODECS, LabelCodec, TextCodec
from elman.data.sequences import as_groups, as_labels, as_texts, as_weights, check_same_length
from elman.data.split import split

__all__ = [
    "CODECS",
    "Batch",
    "LabelCodec",
    "TextCodec",
    "as_groups",
    "as_labels",
    "as_texts",
    "as_weights",
    "batch_rows",
    "check_same_length",
    "make_batch",
    "pad",
    "split",
]
