from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.split import main_labels, numbered, split
from elman.errors import UsageError

# rows of (group key, label): few of each, so that groups are large and labels mix
rows = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc")), max_size=60)
fractions = st.floats(0, 0.95)
seeds = st.integers(0, 5)


@given(rows, fractions, seeds)
def test_every_row_is_on_one_side_and_equal_keys_together(table, fraction, seed):
    groups, labels = [g for g, _ in table], [label for _, label in table]
    rest, held = split(groups, labels, fraction, seed)
    assert sorted([*rest.tolist(), *held.tolist()]) == list(range(len(table)))
    assert rest.tolist() == sorted(rest.tolist())
    assert held.tolist() == sorted(held.tolist())
    assert not {groups[i] for i in rest} & {groups[i] for i in held}


@given(rows, fractions, seeds)
def test_each_label_keeps_its_share_to_within_one_group(table, fraction, seed):
    groups, labels = [g for g, _ in table], [label for _, label in table]
    _, held = split(groups, labels, fraction, seed)
    sizes = Counter(groups)
    main = {}
    for group in sizes:
        counts = Counter(label for g, label in table if g == group)
        main[group] = max(counts, key=lambda label: (counts[label], -labels.index(label)))
    held_groups = {groups[i] for i in held}
    for label in set(main.values()):
        members = [group for group in sizes if main[group] == label]
        wanted = fraction * sum(sizes[group] for group in members)
        got = sum(sizes[group] for group in members if group in held_groups)
        assert abs(got - wanted) <= max(sizes[group] for group in members) + 1e-9
        assert not set(members) <= held_groups


@given(rows, fractions, seeds)
def test_same_seed_same_rows(table, fraction, seed):
    groups, labels = [str(g) for g, _ in table], np.array([label for _, label in table])
    first, second = (
        split(groups, labels, fraction, seed),
        split(np.array(groups), list(labels), fraction, seed),
    )
    assert [side.tolist() for side in first] == [side.tolist() for side in second]


def test_seeds_differ():
    results = {tuple(split(range(100), [0] * 100, 0.2, seed)[1].tolist()) for seed in range(10)}
    assert len(results) == 10


def test_exact_shares_when_every_row_is_its_own_group():
    labels = ["a"] * 700 + ["b"] * 200 + ["c"] * 100
    rest, held = split(range(1000), labels, 0.2, seed=3)
    assert Counter(labels[i] for i in held) == {"a": 140, "b": 40, "c": 20}
    assert (rest.dtype, held.dtype) == (np.int64, np.int64)


def test_many_small_labels_still_give_their_share_together():
    labels = [row // 2 for row in range(1000)]  # 500 labels, seen twice each
    _, held = split(range(1000), labels, 0.2, seed=0)
    assert abs(len(held) - 200) <= 1


def test_nothing_is_held_at_fraction_0():
    rest, held = split("aabc", "xxyy", 0, seed=1)
    assert (rest.tolist(), held.tolist(), held.dtype) == ([0, 1, 2, 3], [], np.int64)


def test_a_label_with_one_group_stays_in_the_rest():
    rest, held = split([1] * 50 + list(range(2, 52)), ["only"] * 50 + ["many"] * 50, 0.5, seed=0)
    assert set(range(50)) <= set(rest.tolist())
    assert len(held) == 25


def test_no_rows():
    assert [side.tolist() for side in split([], [], 0.2, 0)] == [[], []]


def test_a_group_is_dealt_by_its_most_frequent_label():
    groups, labels = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 0])
    assert main_labels(groups, labels).tolist() == [1, 0, 0]  # 1: a tie, so the label that came first


def test_numbered():
    assert numbered(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5, float("nan")])
def test_impossible_fractions_are_refused(fraction):
    with pytest.raises(UsageError) as caught:
        split("ab", "ab", fraction, 0)
    assert caught.value.code == "E125"


def test_lengths_must_agree():
    with pytest.raises(UsageError) as caught:
        split("abc", "ab", 0.2, 0)
    assert (caught.value.code, caught.value.message) == ("E126", "3 group keys, but 2 labels")
