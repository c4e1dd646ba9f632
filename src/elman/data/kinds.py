"""The codecs by their kinds, as a model file names them."""

from __future__ import annotations

from elman.data.codec import LabelCodec, TextCodec
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec

Reader = TextCodec | NumberCodec | MixedCodec | PromptCodec
"""What reads the input."""

Codec = Reader | LabelCodec

CODECS: dict[str, type[Codec]] = {
    codec.kind: codec for codec in (TextCodec, LabelCodec, NumberCodec, MixedCodec, PromptCodec)
}
