"""A whole network to learn with: embed, layers, head. ``kernels.forward`` is its twin without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from elman.cells import main_state
from elman.errors import ModelFileError, UsageError
from elman.kernels.forward import cell_of, tensor_shapes
from elman.nn.heads import HEADS, pool
from elman.nn.layers import Recurrent, as_lengths
from elman.nn.settings import NetworkSettings
from elman.nn.start import draw_first_weights
from elman.settings import check_settings


class Batch(Protocol):
    """What a network learns from: NumPy arrays or tensors."""

    @property
    def inputs(self) -> Any: ...  # noqa: D102
    @property
    def targets(self) -> Any: ...  # noqa: D102
    @property
    def lengths(self) -> Any: ...  # noqa: D102
    @property
    def weights(self) -> Any: ...  # noqa: D102


class Network(nn.Module):
    """Symbols in, logits out.

    Parameters
    ----------
    settings
        What the network is made of.
    sizes
        How many ids each column of the input has; the embeddings of the columns are summed. Id 0 is the
        unknown symbol in column 0; in a further column it is no group at all, and its embedding stays nought.
    outputs
        Number of logits, K.
    task
        Which head.
    class_weights
        (K,) a weight for each label in the loss; None: all count alike.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        sizes: tuple[int, ...],
        outputs: int,
        *,
        task: str = "classify",
        class_weights: np.ndarray | Tensor | None = None,
    ) -> None:
        super().__init__()
        check_settings(settings)
        self.settings, self.sizes, self.outputs = settings, tuple(sizes), outputs
        cell, ways = cell_of(settings), 1 if settings.causal else 2
        if cell.answers:
            raise UsageError(
                f"the cell {cell.name} answers itself, which a network cannot use yet", code="E167"
            )
        self.embedding = nn.ModuleList(make_tables(settings, self.sizes))
        between = settings.dropout if settings.num_layers > 1 else 0.0
        self.layers = Recurrent(
            cell, settings.embedding_size, settings.num_layers, dropout=between, bidirectional=ways == 2
        )
        direct_size = settings.embedding_size if settings.shortcut else 0
        self.head = HEADS[task](
            ways * settings.hidden_size, outputs, settings.pooling, settings.dropout, direct_size
        )
        draw_first_weights(self.layers, self.head, settings.first_weights)
        self.class_weights: Tensor | None
        wanted = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", wanted, persistent=False)

    def forward(self, inputs: Any, lengths: Any) -> Tensor:
        """Ids (B, T) or (B, T, G), lengths (B,) -> logits (B, K); NumPy arrays or tensors."""
        ids = self._columns(inputs)
        rows = as_lengths(lengths, ids)
        embedded = self._embed(ids)
        outputs, state = self.layers(embedded, lengths=rows)
        final = torch.cat(tuple(main_state(state)[-len(self.layers.suffixes) :]), dim=-1)
        shortcut = self.settings.shortcut
        roots = rows.clamp(min=1).sqrt()[:, None]
        direct = shortcut * pool(embedded, rows, "sum") / roots if shortcut else None
        logits: Tensor = self.head(outputs, final, rows, direct)
        return logits

    def loss(self, batch: Batch) -> Tensor:
        """Give the mean cross entropy of a batch: a scalar."""
        logits = self(batch.inputs, batch.lengths)
        targets = torch.as_tensor(batch.targets).to(logits.device)
        weights = None if batch.weights is None else torch.as_tensor(batch.weights).to(logits)
        smoothing = self.settings.label_smoothing
        return self.head.loss(logits, targets, weights, self.class_weights, smoothing)

    def tensors(self) -> dict[str, np.ndarray]:
        """Copy every weight out as float32, under the names of the model file."""
        state = self.state_dict()
        return {name: state[name].cpu().numpy().astype(np.float32) for name in self._shapes()}

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take weights in.

        Raises
        ------
        ModelFileError
            If a name is missing or unknown, or a shape differs.
        """
        wanted = self._shapes()
        for name in sorted(wanted.keys() ^ tensors.keys()):
            verb = "lacks" if name in wanted else "does not know"
            raise ModelFileError(f"the network {verb} the tensor {name}", code="E340")
        for name, shape in wanted.items():
            if tensors[name].shape != shape:
                message = f"the tensor {name} has shape {tensors[name].shape}, the network needs {shape}"
                raise ModelFileError(message, code="E340")
        self.load_state_dict({name: torch.tensor(np.asarray(array)) for name, array in tensors.items()})

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return tensor_shapes(self.settings, self.sizes, self.outputs)

    def _columns(self, inputs: Any) -> Tensor:
        """(B, T) or (B, T, G) -> (T, B, G) int64 on the network's device."""
        ids = torch.as_tensor(inputs).to(self.head.weight.device, torch.int64)
        ids = ids[..., None] if ids.dim() == 2 else ids
        if ids.dim() != 3 or ids.shape[-1] != len(self.sizes):
            message = f"the input has shape {tuple(ids.shape)}, the network reads (B, T, {len(self.sizes)})"
            raise UsageError(message, code="E164")
        return ids.transpose(0, 1)

    def _embed(self, ids: Tensor) -> Tensor:
        """(T, B, G) -> (T, B, E): the sum of the columns' embeddings."""
        rates = (self.settings.symbol_dropout, self.settings.ngram_dropout)
        total: Tensor | None = None
        for g, table in enumerate(self.embedding):
            column = hide(ids[..., g], rates[min(g, 1)]) if self.training else ids[..., g]
            total = table(column) if total is None else total + table(column)
        return functional.dropout(total, self.settings.input_dropout, self.training)  # type: ignore[arg-type]


def make_tables(settings: NetworkSettings, sizes: tuple[int, ...]) -> list[nn.Embedding]:
    """Make one embedding for each column of ids; row 0 of all but the first is nought and stays so."""
    tables = []
    for g, size in enumerate(sizes):
        table = nn.Embedding(size, settings.embedding_size, padding_idx=0 if g else None)
        nn.init.normal_(table.weight, std=settings.ngram_scale if g else settings.symbol_scale)
        if g:
            nn.init.zeros_(table.weight[0])
        tables.append(table)
    return tables


def hide(ids: Tensor, rate: float) -> Tensor:
    """Put id 0 in the place of a share of the ids, drawn anew each time."""
    if not rate:
        return ids
    return ids.masked_fill(torch.rand(ids.shape, device=ids.device) < rate, 0)
