"""Pooling, logits and the loss, by hand and beside torch's cross entropy."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from elman.nn.heads import HEADS, ClassifyHead, OwnAnswer, TagHead

torch.set_num_threads(1)
OUTPUTS = torch.tensor([[[1.0, -5.0], [7.0, 7.0], [-3.0, 2.0]], [[3.0, -1.0], [9.0, 9.0], [9.0, 9.0]]])
LENGTHS = torch.tensor([2, 0, 1])
LOGITS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([0, 2, 1, 1, 0])
CLASS_WEIGHTS = torch.tensor([0.5, 2.0, 1.5])


def test_the_head_reads_its_pools_in_their_order_then_what_comes_directly():
    head = ClassifyHead(2, 1, "max+last+mean", direct_size=1)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]]))
        head.bias.copy_(torch.tensor([0.5]))
    final, direct = torch.tensor([[4.0, 5.0], [6.0, 7.0], [0.0, 0.0]]), torch.tensor([[2.0], [0.0], [0.0]])
    logits = head(OUTPUTS, final, LENGTHS, direct)
    assert logits[0].item() == 3 - 10 + 400 + 5000 + 2e4 - 3e5 + 2e6 + 0.5
    assert logits[1].item() == 600 + 7000 + 0.5


def test_dropout_stands_before_the_answer_and_only_while_learning():
    head = ClassifyHead(2, 3, "mean", dropout=1.0)
    final = torch.zeros(3, 2)
    assert torch.equal(head(OUTPUTS, final, LENGTHS), head.bias.expand(3, 3))
    head.eval()
    assert not torch.equal(head(OUTPUTS, final, LENGTHS), head.bias.expand(3, 3))


def test_first_weights_are_those_of_a_linear():
    torch.manual_seed(0)
    weight = ClassifyHead(50, 400, "mean+max").weight
    assert 0.0999 < weight.abs().max() <= 0.1


@pytest.mark.parametrize("class_weights", [None, CLASS_WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_torchs_cross_entropy(class_weights, smoothing):
    head = ClassifyHead(2, 3)
    loss = head.loss(LOGITS, TARGETS, None, class_weights, smoothing)
    expected = functional.cross_entropy(LOGITS, TARGETS, class_weights, label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)


def test_a_row_of_weight_2_counts_twice_and_one_of_weight_0_not_at_all():
    head = ClassifyHead(2, 3)
    weights = torch.tensor([2.0, 1.0, 0.0, 1.0, 1.0])
    twice = [0, 0, 1, 3, 4]
    torch.testing.assert_close(
        head.loss(LOGITS, TARGETS, weights, CLASS_WEIGHTS),
        head.loss(LOGITS[twice], TARGETS[twice], None, CLASS_WEIGHTS),
    )


def test_a_batch_without_weight_gives_nought_and_no_nan():
    logits = LOGITS.clone().requires_grad_()
    loss = ClassifyHead(2, 3).loss(logits, TARGETS, torch.zeros(5))
    assert loss.item() == 0.0
    assert torch.equal(torch.autograd.grad(loss, logits)[0], torch.zeros(5, 3))


def test_every_head_is_known():
    assert {"classify": ClassifyHead, "tag": TagHead} == HEADS


def test_a_tagger_answers_at_every_step_of_a_row():
    head = TagHead(2, 1)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[10.0, 1.0]]))
        head.bias.copy_(torch.tensor([0.5]))
    answers = head(OUTPUTS, torch.zeros(3, 2), LENGTHS)
    np.testing.assert_array_equal(answers.detach()[..., 0], [[5.5, 29.5], [0, 0], [-27.5, 0]])
    dropped = TagHead(2, 3, dropout=1.0)
    assert torch.equal(dropped(OUTPUTS, OUTPUTS[0], LENGTHS)[0], dropped.bias.expand(2, 3))
    assert not torch.equal(dropped.eval()(OUTPUTS, OUTPUTS[0], LENGTHS)[0], dropped.bias.expand(2, 3))


def test_first_weights_of_a_tagger_are_those_of_a_linear():
    torch.manual_seed(0)
    head = TagHead(100, 400)
    for weight in head.parameters():
        assert 0.098 < weight.abs().max() <= 0.1


def test_a_cells_own_answers_are_taken_as_they_are():
    assert list(OwnAnswer(every_step=True).parameters()) == []
    every = OwnAnswer(every_step=True)(OUTPUTS, OUTPUTS[0], LENGTHS)
    np.testing.assert_array_equal(every, OUTPUTS.transpose(0, 1))
    last = OwnAnswer(every_step=False)(OUTPUTS, OUTPUTS[0], LENGTHS)
    np.testing.assert_array_equal(last, [[3, -1], [0, 0], [-3, 2]])
    nothing = OwnAnswer(every_step=False)(OUTPUTS[:0], OUTPUTS[0], LENGTHS * 0)
    np.testing.assert_array_equal(nothing, np.zeros((3, 2)))
