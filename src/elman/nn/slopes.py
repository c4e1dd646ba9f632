"""A classifier's loss and all its gradients without torch's graph: each step forwards, then each step back.

Rows stay packed from the embedding to the pooling, so that none is moved or padded between. ``Network.loss``
and its ``backward`` are the plain twin: the same draws, and the same gradients but for the order of sums.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from elman.kernels.answer import nll
from elman.kernels.native import compiled
from elman.kernels.packing import Packing, pool_columns, pool_columns_back, spread, sum_columns
from elman.kernels.table import Floats, Ids, Mask, drop_some, read_rows, sum_rows
from elman.nn.chunks import Chunk
from elman.nn.drop import draw_mask
from elman.nn.function import KINDS, NAMES, How, backward, forward, how_of
from elman.nn.heads import ClassifyHead
from elman.nn.reach import reached

if TYPE_CHECKING:
    from elman.nn.network import Network

Sums = tuple[Ids, Floats]
"""Ids, each once, and the gradients of their rows (n, E)."""


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


class Run(NamedTuple):
    """What one layer in one direction read and made, for its gradient."""

    saved: tuple[Tensor | None, ...]
    final: Tensor
    how: How


class Read(NamedTuple):
    """A batch as the layers read it: its packing, the ids (M, G) after some were hidden, what is dropped."""

    packing: Packing
    ids: Ids
    columns: Ids
    mask: Mask | None
    steps: int


class Slopes:
    """Loss and gradients of one network; see ``fits``."""

    def __init__(self, network: Network) -> None:
        self.network, self.settings = network, network.settings
        self.tables = [table for table in network.embedding if isinstance(table, nn.Embedding)]
        self.kinds = self.settings.pooling.split("+")
        self.width = network.layers.hidden_size * len(network.layers.suffixes)
        self.direct = len(self.kinds) * self.width if self.settings.shortcut else -1

    def __call__(self, batch: Any) -> Found | None:
        """Leave the gradients in the weights' ``grad``; None, and nothing done, where torch has to do it."""
        weights = [table.weight for table in self.tables]
        if isinstance(batch, Chunk) or not _plain(batch) or not self.network.training or not reached(*weights):
            return None
        with torch.no_grad():
            return self._learn(batch)

    def _learn(self, batch: Any) -> Found:
        read = self._draw(batch)
        for table, ids in zip(self.tables, read.columns, strict=True):
            for hook in table._forward_pre_hooks.values():  # as a call of the table would tell who waits for it
                hook(table, (torch.from_numpy(ids),))
        tables = [table.weight.detach().numpy() for table in self.tables]
        x = read_rows(tables, read.ids, read.mask, read.packing.places)
        layers, dropped = self._run(torch.from_numpy(x), read)
        pooled = self._pool(x, layers[-1], read.packing)
        loss, slopes = self._answer(pooled, batch)
        d_x = self._run_back(self._pool_back(layers[-1], pooled, slopes, read.packing), layers, dropped)
        spread(d_x, read.packing, slopes, self.direct, self.settings.shortcut, read.mask)
        return Found(loss, self._tables_back(read, d_x))

    def _draw(self, batch: Any) -> Read:
        """Pack a batch, hide and drop: the draws are those of ``Network``."""
        settings, packing = self.settings, Packing.of(batch.lengths)
        steps, (rows, padded) = len(packing.places), batch.inputs.shape[:2]
        ids = batch.inputs.reshape(rows, padded, -1).transpose(1, 0, 2).reshape(rows * padded, -1)[packing.places]
        rates = [settings.ngram_dropout if g else settings.symbol_dropout for g in range(ids.shape[1])]
        hidden = [g for g, rate in enumerate(rates) if rate]
        drawn = torch.rand((len(hidden), padded, rows)).numpy().reshape(len(hidden), -1)
        for g, chances in zip(hidden, drawn, strict=True):
            ids[:, g] *= chances[packing.places] >= np.float32(rates[g])
        shape = (padded, rows, settings.embedding_size)
        mask = draw_mask(shape, settings.input_dropout) if settings.input_dropout else None
        return Read(packing, ids, np.ascontiguousarray(ids.T), mask, padded)

    def _run(self, inputs: Tensor, read: Read) -> tuple[list[list[Run]], list[Tensor]]:
        """Run every layer on packed rows (M, ·): the runs of each, and what its inputs were multiplied by."""
        own, rate = self.network.layers, self.settings.dropout
        counts, rows = torch.from_numpy(read.packing.counts), len(read.packing.order)
        layers: list[list[Run]] = []
        dropped: list[Tensor] = []
        for n in range(own.num_layers):
            if n and rate:
                ones = functional.dropout(torch.ones(read.steps * rows, self.width), rate)
                dropped.append(ones[torch.from_numpy(read.packing.places)])
                inputs = inputs * dropped[-1]
            runs = []
            for way, suffix in enumerate(own.suffixes):
                params, how = own._params(n, way), how_of(own.cell, reverse=bool(suffix), rows=rows)
                given = (inputs, *(params.get(name) for name in NAMES), None, None, counts)
                out, final, _, *kept = forward(given, how, keep=True)  # type: ignore[arg-type]
                runs.append(Run((*given, out, *kept), final, how))
            layers.append(runs)
            inputs = outputs_of(runs)
        return layers, dropped

    def _pool(self, x: Floats, runs: list[Run], packing: Packing) -> Floats:
        """What the head reads (B, ·): the outputs pooled, and the inputs summed."""
        shortcut = x.shape[1] if self.settings.shortcut else 0
        pooled = np.empty((len(packing.order), len(self.kinds) * self.width + shortcut), np.float32)
        places = self._places()
        if places:
            pool_columns(outputs_of(runs).numpy(), packing, pooled, **places)
        if "last" in self.kinds:
            first = self.kinds.index("last") * self.width
            pooled[packing.order, first : first + self.width] = torch.cat([r.final for r in runs], -1).numpy()
        if shortcut:
            sum_columns(x, packing, pooled, self.direct, self.settings.shortcut)
        return pooled

    def _places(self) -> dict[str, int]:
        names = {"mean": "mean", "max": "most"}
        return {names[kind]: p * self.width for p, kind in enumerate(self.kinds) if kind in names}

    def _answer(self, pooled: Floats, batch: Any) -> tuple[float, Floats]:
        """The loss, and its gradient of what the head reads; that of the head's weights stays in them."""
        head, rate = self.network.head, self.settings.dropout
        mask = draw_mask(pooled.shape, rate) if rate else None
        features = torch.from_numpy(pooled if mask is None else drop_some(pooled, mask))
        logits = torch.addmm(head.bias, features, head.weight.T)
        weights = self.network.class_weights
        loss, d_logits = nll(
            logits.numpy(), batch.targets, batch.weights,
            None if weights is None else weights.numpy(), self.settings.label_smoothing,
        )  # fmt: skip
        d = torch.from_numpy(d_logits)
        head.weight.grad, head.bias.grad = d.T @ features, d.sum(0)
        slopes = (d @ head.weight).numpy()
        return loss, slopes if mask is None else drop_some(slopes, mask)

    def _pool_back(
        self, runs: list[Run], pooled: Floats, slopes: Floats, packing: Packing
    ) -> list[tuple[Tensor | None, Tensor | None]]:
        """The gradients of each direction's outputs (M, H) and final state (B, H)."""
        places, ways = self._places(), len(runs)
        d_out: list[Tensor | None] = [None] * ways
        d_final: list[Tensor | None] = [None] * ways
        if places:
            found = pool_columns_back(outputs_of(runs).numpy(), packing, pooled, slopes, **places)
            d_out = list(torch.from_numpy(found).chunk(ways, dim=-1))
        if "last" in self.kinds:
            first = self.kinds.index("last") * self.width
            given = torch.from_numpy(slopes[packing.order, first : first + self.width])
            d_final = list(given.chunk(ways, dim=-1))
        return list(zip(d_out, d_final, strict=True))

    def _run_back(
        self, slopes: list[tuple[Tensor | None, Tensor | None]], layers: list[list[Run]], dropped: list[Tensor]
    ) -> Floats:
        """The gradient of what the first layer reads; those of the layers' weights stay in them."""
        for n in reversed(range(len(layers))):
            d_inputs: Tensor | None = None
            for way, (run, (d_out, d_final)) in enumerate(zip(layers[n], slopes, strict=True)):
                params = self.network.layers._params(n, way)
                wanted = (True, *(name in params for name in NAMES), False, False)
                d_x, *found = backward(run.saved, (d_out, d_final, None), wanted, run.how)
                for name, slope in zip(NAMES, found[:4], strict=True):
                    if slope is not None:
                        params[name].grad = slope
                d_inputs = d_x if d_inputs is None else d_inputs + d_x
            if n and dropped:
                d_inputs = d_inputs * dropped[n - 1]
            slopes = [(part, None) for part in d_inputs.chunk(len(layers[n]), dim=-1)]
        return d_inputs.numpy()

    def _tables_back(self, read: Read, d_x: Floats) -> dict[Tensor, Sums]:
        rows: dict[Tensor, Sums] = {}
        for table, ids in zip(self.tables, read.columns, strict=True):
            found = sum_rows(ids, d_x, table.num_embeddings, table.padding_idx)
            if table.sparse:
                rows[table.weight] = found
            else:
                table.weight.grad = torch.zeros_like(table.weight)
                table.weight.grad.numpy()[found[0]] = found[1]
        return rows


def outputs_of(runs: list[Run]) -> Tensor:
    """The outputs of a layer's directions side by side: (M, F)."""
    outputs = [run.saved[8] for run in runs]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)


def fits(network: Network) -> bool:
    """Whether nothing about a network asks for torch's graph: built-in parts, all learning, nobody listening."""
    weights = list(network.parameters())
    own = chain([network, network.head], network.layers.modules())
    return (
        compiled.module is not None
        and network.objective == "nll"
        and type(network.head) is ClassifyHead
        and type(network.layers.cell) in KINDS
        and len(network.embedding) > 0
        and not network.features
        and all(w.requires_grad and w.is_cpu and w.dtype == torch.float32 and w.is_contiguous() for w in weights)
        and all(_looks_up(table) for table in network.embedding)
        and not any(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks for module in own)
    )


def _looks_up(table: nn.Module) -> bool:
    """Whether a table does nothing but look up."""
    plain = type(table) is nn.Embedding and table.max_norm is None and not table.scale_grad_by_freq
    return plain and not table._forward_hooks and not table._backward_hooks


def _plain(batch: Any) -> bool:
    """Whether a batch is of arrays, with classes to learn."""
    inputs, targets, lengths = batch.inputs, batch.targets, batch.lengths
    arrays = all(isinstance(a, np.ndarray) and a.dtype == np.int64 for a in (inputs, targets, lengths))
    return arrays and inputs.ndim > 1 and targets.shape == lengths.shape == inputs.shape[:1] and bool((targets >= 0).all())
