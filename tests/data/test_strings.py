import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.strings import pack, unpack
from elman.errors import ModelFileError


def test_layout():
    arrays = pack(["é", "", "ab"], "v")
    assert arrays["v.bytes"].tolist() == [0xC3, 0xA9, 97, 98]
    assert arrays["v.offsets"].tolist() == [0, 2, 2, 4]
    assert (arrays["v.bytes"].dtype, arrays["v.offsets"].dtype) == (np.uint8, np.int64)


@given(st.lists(st.text(), unique=True))
def test_texts_come_back(texts):
    assert unpack(pack(texts, "v"), "v") == texts


def test_a_text_that_stands_there_twice_is_refused():
    with pytest.raises(ModelFileError) as caught:
        unpack(pack(["a", "a"], "v"), "v")
    assert caught.value.code == "E323"
    assert "codec is damaged" in caught.value.message
