"""Tables whose rows rest: the same as AdamW over all rows, its memory, its gradients, its checkpoints."""

import numpy as np
import pytest
import torch
from torch import nn

from elman.kernels import use
from elman.kernels.native import compiled
from elman.kernels.table import Move, Rests, Table, catch_up, move_rows, sum_rows
from elman.train import LoopSettings, learn
from elman.train.optimizer import load_optimizer, make_optimizer, optimizer_tensors
from elman.train.resting import LARGE, RestingAdamW

ROWS, WIDTH = LARGE + 17, 5


class Sums(nn.Module):
    """A large table and a small one: the sum of rows, and a linear map of it."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.large, self.small = nn.Embedding(ROWS, WIDTH, padding_idx=0), nn.Embedding(9, WIDTH)
        self.head = nn.Linear(WIDTH, 1)

    def loss(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        ids, targets = batch
        read = self.large(ids) + self.small(ids % 9)
        return ((self.head(read)[..., 0] - targets) ** 2).mean()


def batches(count: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Some rows in every update, some rarely, some never."""
    rng = np.random.default_rng(seed)
    ids = [np.minimum(rng.geometric(0.02, (4, 6)) - 1, ROWS - 1) for _ in range(count)]
    return [(torch.from_numpy(i), torch.from_numpy(rng.normal(size=i.shape)).float()) for i in ids]


def settings(**more: object) -> LoopSettings:
    given = {
        "max_epochs": 2,
        "patience": None,
        "learning_rate": 0.05,
        "embedding_decay": 0.3,
        "random_state": 1,
    }
    return LoopSettings(**{**given, **more})  # type: ignore[arg-type]


def learnt(
    monkeypatch: pytest.MonkeyPatch, resting: bool, dtype: torch.dtype = torch.float32
) -> dict[str, torch.Tensor]:
    module, found = Sums().to(dtype), [(ids, 100 * targets.to(dtype)) for ids, targets in batches(120)]
    if not resting:
        monkeypatch.setattr("elman.train.optimizer.rests", lambda table: False)
    kinds = set()
    for _ in learn(module, lambda epoch: found, None, settings(clip=None)):
        kinds.add(module.large.sparse)
    assert kinds == {resting}
    return {name: value.double() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("arithmetic", compiled.names())
def test_rows_that_rest_end_where_adamw_moves_them(arithmetic, monkeypatch):
    before = compiled.path
    use(arithmetic)
    try:
        ours = learnt(monkeypatch, resting=True)
    finally:
        use(before)
    dense = learnt(monkeypatch, resting=False)
    true = learnt(monkeypatch, resting=False, dtype=torch.float64)
    for name, value in true.items():
        distance = (ours[name] - value).norm() / value.norm()
        assert distance < max(5e-6, 4 * (dense[name] - value).norm() / value.norm()), name
    first = Sums().large.weight
    assert (ours["large.weight"][5] - first[5]).abs().max() > 0.1
    never = ROWS - 1  # decay alone: the product of what 240 updates leave
    shrunk = (ours["large.weight"][never] / first[never]).mean().item()
    assert shrunk == pytest.approx((true["large.weight"][never] / first[never]).mean().item(), rel=1e-5)
    assert shrunk < 0.2
    assert ours["large.weight"][0].abs().max() == 0


def test_what_is_read_is_up_to_date():
    module, found = Sums(), batches(30)
    optimizer = make_optimizer(module, settings())
    assert isinstance(optimizer, RestingAdamW)
    for batch in found:
        optimizer.zero_grad()
        module.loss(batch).backward()
        optimizer.step()
    module.large(torch.tensor([3, 700, 700]))
    read = module.large.weight.detach().clone()
    optimizer.release()
    assert torch.equal(read[[3, 700]], module.large.weight[[3, 700]])
    assert not torch.equal(read[5:300], module.large.weight[5:300])
    assert not module.large.sparse
    assert not module.large._forward_pre_hooks


def test_validation_between_updates_changes_nothing():
    module, found = Sums(), batches(8)
    optimizer = make_optimizer(module, settings())
    optimizer.zero_grad()
    module.loss(found[0]).backward()
    optimizer.step()
    before = module.large.weight.detach().clone()
    module.eval()
    module.loss(found[1])
    assert torch.equal(before, module.large.weight)


def test_a_run_goes_on_with_the_same_bits():
    whole = Sums()
    for _ in learn(whole, lambda epoch: batches(20, epoch), None, settings()):
        pass
    part, kept = Sums(), None
    steps = learn(part, lambda epoch: batches(20, epoch), None, settings())
    for progress in steps:
        if progress.update == 27:
            kept = progress.state()
            break
    steps.close()
    again = Sums(seed=9)
    for _ in learn(again, lambda epoch: batches(20, epoch), None, settings(), resume=kept):
        pass
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_its_memory_is_taken_and_given_back():
    one, other = Sums(), Sums()
    first = make_optimizer(one, settings())
    for batch in batches(5):
        first.zero_grad()
        one.loss(batch).backward()
        first.step()
    kept = {name: value.clone() for name, value in optimizer_tensors(first, one).items()}
    assert {"since/large.weight", "decay/large.weight", "exp_avg/small.weight"} <= kept.keys()
    second = make_optimizer(other, settings())
    load_optimizer(second, other, kept)
    assert all(torch.equal(value, kept[name]) for name, value in optimizer_tensors(second, other).items())


@pytest.mark.parametrize("more", [{"averaging": 0.9}, {"optimizer": "adam"}, {"optimizer": "sgd"}])
def test_other_rules_move_all_rows(more):
    module = Sums()
    assert not isinstance(make_optimizer(module, settings(**more)), RestingAdamW)
    assert not module.large.sparse


def test_a_long_gradient_of_rows_is_shortened(monkeypatch):
    lengths = []
    for resting in (True, False):
        if not resting:
            monkeypatch.setattr("elman.train.optimizer.rests", lambda table: False)
        module = Sums()
        found = [(ids, 100 * targets) for ids, targets in batches(5)]
        norms = [
            p.gradient_norm for p in learn(module, lambda epoch, b=found: b, None, settings(max_epochs=1))
        ]
        lengths.append((norms, module.large.weight.detach().clone()))
    np.testing.assert_allclose(lengths[0][0], lengths[1][0], rtol=1e-5)
    np.testing.assert_allclose(lengths[0][1], lengths[1][1], rtol=1e-4, atol=1e-6)


def table(rng: np.random.Generator, V: int, E: int, now: int) -> Table:
    draw = [rng.normal(size=(V, E)).astype(np.float32) for _ in range(3)]
    return Table(draw[0], draw[1], draw[2] ** 2, rng.integers(0, now + 1, V).astype(np.float32))


@pytest.mark.parametrize("E", [1, 7, 16, 33])
def test_the_kernels_of_rows_are_their_twins(E):
    if compiled.module is None:
        pytest.skip("there is no compiled module here")
    found = []
    for path in (compiled.names()[0], "numpy"):
        before, rng = compiled.path, np.random.default_rng(3)
        use(path)
        try:
            mine = table(rng, 11, E, 4)
            shrinks = [rng.random(5).astype(np.float32) for _ in range(5)]
            catch_up(mine, Rests(*shrinks), np.array([4, 9, 4, 0, 10]))
            ids = np.array([7, 2, 7, 3, 2, 7])
            rows, sums = sum_rows(ids, rng.normal(size=(6, E)).astype(np.float32), 11)
            move_rows(mine, Move(0.1, 0.9, 0.9, 0.99, 1e-8), rows, sums, 5)
            found.append((rows, sums, *mine.arrays()))
        finally:
            use(before)
    assert found[0][0].tolist() == [7, 2, 3]
    for ours, twin in zip(*found, strict=True):
        np.testing.assert_allclose(ours, twin, rtol=2e-6, atol=1e-7)


def test_rows_outside_a_table_are_refused():
    mine = table(np.random.default_rng(0), 4, 2, 0)
    one = np.ones(1, np.float32)
    with pytest.raises(ValueError, match="an id is not between 0 and 3"):
        catch_up(mine, Rests(one, one, one, one, one), np.array([4]))
    empty = sum_rows(np.zeros(0, np.int64), np.zeros((0, 2), np.float32), 4)
    assert len(empty[0]) == 0
