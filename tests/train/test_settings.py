import json

import numpy as np
import pytest

from elman.errors import UsageError
from elman.settings import check_settings, settings_of
from elman.train.settings import LoopSettings, as_dict


def test_the_defaults_are_within_their_own_limits():
    check_settings(LoopSettings())


def test_every_field_is_a_setting_with_a_sentence():
    sentences = {item.name: item.metadata["sentence"] for item in settings_of(LoopSettings)}
    assert sentences.keys() == as_dict(LoopSettings()).keys()
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in sentences.values())


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("learning_rate", 0.0, "E111"),
        ("learning_rate", float("nan"), "E110"),
        ("optimizer", "adamm", "E111"),
        ("schedule", "cos", "E111"),
        ("batch_size", 0, "E111"),
        ("max_epochs", 2.5, "E110"),
        ("max_minutes", 0, "E111"),
        ("patience", 0, "E111"),
        ("clip", 0.0, "E111"),
        ("weight_decay", -0.1, "E111"),
        ("embedding_decay", -0.1, "E111"),
        ("averaging", 1.0, "E111"),
        ("momentum", 1.0, "E111"),
        ("beta2", 1.0, "E111"),
        ("warm_up", 1.5, "E111"),
        ("random_state", -1, "E111"),
    ],
)
def test_a_bad_value_is_refused_by_name(name, value, code):
    with pytest.raises(UsageError, match=f"^{name} must be") as error:
        check_settings(LoopSettings(**{name: value}))
    assert error.value.code == code


def test_numpy_numbers_become_plain_ones():
    settings = LoopSettings(learning_rate=np.float64(0.25), batch_size=np.int64(8))
    assert json.loads(json.dumps(as_dict(settings)))["learning_rate"] == 0.25
    assert type(as_dict(settings)["batch_size"]) is int
