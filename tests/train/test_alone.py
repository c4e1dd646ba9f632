import pytest
import torch
from torch import nn

from elman.train.alone import alone, generators_of


def draw(random_state, update):
    with alone([torch.default_generator], random_state, update):
        return nn.functional.dropout(torch.ones(64), 0.5).tolist()


def test_the_same_seed_and_update_draw_the_same_whatever_was_drawn_before():
    first = draw(3, 7)
    torch.rand(5)
    assert draw(3, 7) == first
    assert draw(3, 8) != first
    assert draw(4, 7) != first


def test_the_callers_random_state_and_threads_are_put_back_even_after_an_error():
    def fail():
        with alone([torch.default_generator], 0, 1):
            assert torch.get_num_threads() == 1
            torch.rand(3)
            _ = 1 / 0

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        state = torch.get_rng_state()
        with pytest.raises(ZeroDivisionError):
            fail()
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)


def test_a_module_on_the_cpu_draws_from_the_cpus_generator():
    assert generators_of(nn.Linear(1, 1)) == [torch.default_generator]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_a_module_on_a_card_draws_the_same_there_too():
    module = nn.Linear(1, 1).to("cuda")
    generators = generators_of(module)
    assert len(generators) == 2

    def draw_there():
        with alone(generators, 3, 7):
            return torch.rand(8, device="cuda").tolist()

    first, state = draw_there(), torch.cuda.get_rng_state()
    assert draw_there() == first
    assert torch.equal(torch.cuda.get_rng_state(), state)
