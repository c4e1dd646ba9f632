"""A classifier's loss and all its gradients without torch's graph: each step forwards, then each step back.

Rows stay packed from the embedding to the pooling, so that none is moved or padded between. ``Network.loss``
and its ``backward`` are the plain twin: the same draws, and the same gradients but for the order of sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from elman.kernels.answer import linear, linear_back, nll
from elman.kernels.native import compiled
from elman.kernels.packing import Packing, pool_columns, pool_columns_back, spread, sum_columns
from elman.kernels.table import Floats, Ids, Mask, Sums, drop_some, read_rows, sum_rows
from elman.nn.chunks import Chunk
from elman.nn.drop import draw_mask
from elman.nn.function import KINDS
from elman.nn.heads import ClassifyHead
from elman.nn.layers import Recurrent
from elman.nn.packed import Run, RunSlopes, outputs_of, run_packed, run_packed_back
from elman.nn.reach import reached

if TYPE_CHECKING:
    from elman.nn.network import Network


class Found(NamedTuple):
    """What a batch gives.

    Attributes
    ----------
    loss
        Its loss.
    rows
        The gradients of those tables that ask for the rows they read alone. All others stand in ``grad``.
    """

    loss: float
    rows: dict[Tensor, Sums]


class Read(NamedTuple):
    """A batch as the network reads it.

    Attributes
    ----------
    packing
        Where its steps stand.
    ids, columns
        (M, G) and (G, M): the ids of each step, some of them hidden.
    mask
        What is dropped of the embeddings, of padded rows.
    steps
        Of the padded rows.
    """

    packing: Packing
    ids: Ids
    columns: Ids
    mask: Mask | None
    steps: int


class Slopes:
    """Loss and gradients of one network that ``fits``."""

    def __init__(self, network: Network, head: ClassifyHead) -> None:
        self.network, self.head, self.settings = network, head, network.settings
        self.tables = [table for table in network.embedding if isinstance(table, nn.Embedding)]
        rates = [self.settings.symbol_dropout] + [self.settings.ngram_dropout] * (len(self.tables) - 1)
        self.rates = np.array(rates, np.float32)
        self.width = network.layers.hidden_size * len(network.layers.suffixes)
        columns = {kind: n * self.width for n, kind in enumerate(head.kinds)}  # of what the head reads
        self.mean, self.most, self.last = (columns.get(kind, -1) for kind in ("mean", "max", "last"))
        self.direct = len(head.kinds) * self.width if self.settings.shortcut else -1
        self.parts = [network, head, *network.layers.modules()]
        self.weights = list(network.parameters())

    def __call__(self, batch: Any) -> Found | None:
        """Leave the gradients in the weights' ``grad``; None, and nothing done, where torch has to do it."""
        if not self.network.training or isinstance(batch, Chunk) or not _is_plain(batch):
            return None
        if torch.is_autocast_enabled("cpu") or not reached(*self.weights) or not self._is_alone():
            return None
        with torch.no_grad():
            return self._learn(batch)

    def _is_alone(self) -> bool:
        """Whether all still learns, and nobody listens: hooks, and what hangs on them, come and go."""
        if type(self.network.layers) is not Recurrent:  # parametrized
            return False
        for part in self.parts:
            if part._forward_hooks or part._forward_pre_hooks or part._backward_hooks:
                return False
        return all(w.requires_grad and not w._backward_hooks for w in self.weights)

    def _learn(self, batch: Any) -> Found:
        read = self._read(batch)
        x = self._embed(read)
        layers, rate = self.network.layers, self.settings.dropout
        runs = run_packed(layers, torch.from_numpy(x), read.packing, read.steps, rate)
        pooled = self._pool(x, runs.layers[-1], read.packing)
        loss, slopes = self._answer(pooled, batch)
        d_x = run_packed_back(layers, runs, self._pool_back(runs.layers[-1], pooled, slopes, read)).numpy()
        spread(d_x, read.packing, slopes, self.direct, self.settings.shortcut, read.mask)
        return Found(loss, self._embed_back(read, d_x))

    def _read(self, batch: Any) -> Read:
        """Pack a batch, and draw what is hidden and dropped, as ``Network`` draws it."""
        packing, (rows, steps) = Packing.of(batch.lengths), batch.inputs.shape[:2]
        chances = torch.rand((int(np.count_nonzero(self.rates)), steps, rows)).numpy()
        ids, columns = packing.take(batch.inputs.reshape(rows, steps, -1), self.rates, chances)
        shape, rate = (steps, rows, self.settings.embedding_size), self.settings.input_dropout
        return Read(packing, ids, columns, draw_mask(shape, rate) if rate else None, steps)

    def _embed(self, read: Read) -> Floats:
        for table, ids in zip(self.tables, read.columns, strict=True):
            for (
                hook
            ) in table._forward_pre_hooks.values():  # as a call of the table would tell who waits for it
                hook(table, (torch.from_numpy(ids),))
        weights = [table.weight.numpy() for table in self.tables]
        return read_rows(weights, read.ids, read.mask, read.packing.places)

    def _embed_back(self, read: Read, d_x: Floats) -> dict[Tensor, Sums]:
        rows: dict[Tensor, Sums] = {}
        for table, ids in zip(self.tables, read.columns, strict=True):
            found = sum_rows(ids, d_x, table.num_embeddings, table.padding_idx)
            if table.sparse:
                rows[table.weight] = found
            else:
                table.weight.grad = torch.zeros_like(table.weight)
                table.weight.grad.numpy()[found[0]] = found[1]
        return rows

    def _pool(self, x: Floats, runs: list[Run], packing: Packing) -> Floats:
        """What the head reads (B, ·): the outputs pooled, and the inputs summed."""
        pooled = np.empty((len(packing.order), self.head.weight.shape[1]), np.float32)
        mean, most, last = self.mean, self.most, self.last
        if mean >= 0 or most >= 0:
            pool_columns(outputs_of(runs).numpy(), packing, pooled, mean, most)
        if last >= 0:
            final = torch.cat([run.final for run in runs], dim=-1)
            pooled[packing.order, last : last + self.width] = final.numpy()
        if self.direct >= 0:
            sum_columns(x, packing, pooled, self.direct, self.settings.shortcut)
        return pooled

    def _pool_back(self, runs: list[Run], pooled: Floats, slopes: Floats, read: Read) -> list[RunSlopes]:
        """The gradients of each direction's outputs and final state."""
        mean, most, last = self.mean, self.most, self.last
        d_out: list[Tensor] | list[None] = [None] * len(runs)
        d_final: list[Tensor] | list[None] = [None] * len(runs)
        if mean >= 0 or most >= 0:
            found = pool_columns_back(outputs_of(runs).numpy(), read.packing, pooled, slopes, mean, most)
            d_out = list(torch.from_numpy(found).chunk(len(runs), dim=-1))
        if last >= 0:
            given = slopes[read.packing.order, last : last + self.width]
            d_final = list(torch.from_numpy(given).chunk(len(runs), dim=-1))
        return list(zip(d_out, d_final, strict=True))

    def _answer(self, pooled: Floats, batch: Any) -> tuple[float, Floats]:
        """The loss, and its gradient of what the head reads; those of the head's weights stay in them."""
        weight, bias = self.head.weight, self.head.bias
        mask = draw_mask(pooled.shape, self.head.dropout) if self.head.dropout else None
        features = pooled if mask is None else drop_some(pooled, mask)
        logits = linear(features, weight.numpy(), bias.numpy())
        shares = self.network.class_weights
        of_classes = None if shares is None else shares.numpy()
        loss, found = nll(logits, batch.targets, batch.weights, of_classes, self.settings.label_smoothing)
        slopes, of_weight, of_bias = linear_back(features, weight.numpy(), found)
        weight.grad, bias.grad = torch.from_numpy(of_weight), torch.from_numpy(of_bias)
        return loss, slopes if mask is None else drop_some(slopes, mask)


def slopes_of(network: Network) -> Slopes | None:
    """Give what finds loss and gradients; None if anything about the network asks for torch's graph."""
    head = network.head
    return Slopes(network, head) if type(head) is ClassifyHead and fits(network) else None


def fits(network: Network) -> bool:
    """Whether a network is of built-in parts, on a CPU, and learns classes from ids."""
    return (
        compiled.module is not None
        and network.objective == "nll"
        and type(network.layers.cell) in KINDS
        and len(network.embedding) > 0
        and not network.features
        and all(w.is_cpu and w.dtype == torch.float32 and w.is_contiguous() for w in network.parameters())
        and all(_looks_up(table) for table in network.embedding)
    )


def _looks_up(table: nn.Module) -> bool:
    """Whether a table does nothing but look up."""
    if type(table) is not nn.Embedding or table._forward_hooks or table._backward_hooks:
        return False
    return table.max_norm is None and not table.scale_grad_by_freq and not table.sparse


def _is_plain(batch: Any) -> bool:
    """Whether a batch is of NumPy's arrays, with a class to learn for each sequence."""
    inputs, targets, lengths = batch.inputs, batch.targets, batch.lengths
    arrays = all(isinstance(a, np.ndarray) and a.dtype == np.int64 for a in (inputs, targets, lengths))
    if not arrays or inputs.ndim < 2 or not targets.shape == lengths.shape == inputs.shape[:1]:
        return False
    if not len(targets) or not all(a.flags.c_contiguous for a in (inputs, targets, lengths)):
        return False
    return bool(targets.min() >= 0 and 0 <= lengths.min() <= lengths.max() <= inputs.shape[1])
