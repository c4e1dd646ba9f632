"""The optimizers do as torch's own, and bring no compiler with them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from elman.train import bare

LEARNS = """
import sys
import elman
learner = elman.SequenceClassifier(members=1, max_epochs=1, validation_fraction=0)
list(learner.fit_iter(["ab", "b"] * 9, [0, 1] * 9))
sys.exit("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_updates_are_those_of_torch(name):
    torch.manual_seed(0)
    mine = torch.randn(5, 3, requires_grad=True)
    theirs = mine.detach().clone().requires_grad_()
    rules = [
        getattr(module, name)([weight], lr=0.1, fused=True)
        for module, weight in ((bare, mine), (torch.optim, theirs))
    ]
    for _ in range(3):
        for rule, weight in zip(rules, (mine, theirs), strict=True):
            rule.zero_grad()
            (weight**2).sum().backward()
            rule.step()
    assert torch.equal(mine, theirs)
    assert rules[0].state_dict().keys() == rules[1].state_dict().keys()


def test_gradients_are_not_followed_through_an_update():
    weight = torch.ones(2, requires_grad=True)
    rule = bare.SGD([weight], lr=0.1)
    weight.sum().backward()
    rule.step()
    assert weight.is_leaf
    rule.zero_grad(set_to_none=False)
    assert torch.equal(weight.grad, torch.zeros(2))
    rule.zero_grad()
    assert weight.grad is None


def test_learning_imports_no_compiler():
    assert subprocess.run([sys.executable, "-c", LEARNS], check=False).returncode == 0
