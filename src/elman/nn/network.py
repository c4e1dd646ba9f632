"""A whole network to learn with: embed, layers, head. ``kernels.run`` is its twin without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from elman.cells import Cell, State, check_cell, main_state
from elman.errors import ModelFileError, UsageError
from elman.kernels.forward import cell_of, input_width, tensor_shapes
from elman.nn.check import check_class_weights, check_columns, check_inputs, check_used, choose_loss
from elman.nn.chunks import Batch, Chunk
from elman.nn.embed import embed
from elman.nn.heads import ClassifyHead, make_head
from elman.nn.layers import Recurrent, as_lengths
from elman.nn.losses import LOSSES_OF_NUMBERS, nll, nll_of_steps
from elman.nn.pool import pool
from elman.nn.scan import valid_steps
from elman.nn.settings import NetworkSettings
from elman.nn.slopes import Slopes, slopes_of
from elman.nn.start import BUILT_IN, draw_first_weights, open_gates
from elman.settings import check_settings


class Network(nn.Module):
    """Symbols or numbers in, logits or numbers out.

    Parameters
    ----------
    settings
        What the network is made of.
    sizes
        How many ids each column of the input has; the embeddings of the columns are summed. Id 0 is the
        unknown symbol in column 0; in a further column it is no group at all, and its embedding stays nought.
        One-hot symbols are one column, and the unknown one is read as noughts.
        Empty for a network that reads numbers.
    outputs
        Numbers in an answer, K: logits, or what a tagger says at every step.
    features
        Numbers in a step of the input, D, which the layers read as they are; 0 for a network that reads ids
        alone. With both, a step holds the ids first, then the numbers, all as floats.
    task
        "classify", "regress": one answer for a sequence; "tag": one at every step.
    class_weights
        (K,) a weight for each label in the loss; None: all count alike.
    loss
        "auto", "nll" (of labels), "mse" or "half_squares" (of numbers).

    Raises
    ------
    UsageError
        If the settings, the task and the loss do not go together, or a cell of one's own cannot be used.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        settings: NetworkSettings,
        sizes: tuple[int, ...],
        outputs: int,
        *,
        features: int = 0,
        task: str = "classify",
        class_weights: np.ndarray | Tensor | None = None,
        loss: str = "auto",
    ) -> None:
        super().__init__()
        check_settings(settings)
        check_inputs(sizes, features)
        check_columns(settings, sizes, features)
        cell, self.objective = cell_of(settings), choose_loss(task, loss)
        check_used(settings, cell, tuple(sizes), task, self.objective)
        check_class_weights(class_weights is not None, self.objective)
        self.settings, self.sizes, self.outputs = settings, tuple(sizes), outputs
        self.features, self.task = features, task
        width = input_width(settings, self.sizes, features)
        self.one_hot = settings.symbols == "one-hot"
        self.embedding = nn.ModuleList(() if self.one_hot else make_tables(settings, self.sizes))
        self.layers = make_layers(settings, cell, width, outputs)
        self.head = make_head(settings, cell, task, outputs, width)
        draw_first_weights(self.layers, self.head, settings.first_weights)
        if settings.memory is not None:
            open_gates(self.layers, settings.memory)
        wanted = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", wanted, persistent=False)

    def forward(self, inputs: Any, lengths: Any) -> Tensor:
        """Give the answers alone, from the first state on; see ``run``."""
        return self.run(inputs, lengths)[0]

    def run(self, inputs: Any, lengths: Any, state: State | None = None) -> tuple[Tensor, State]:
        """Run from ``state`` on; NumPy arrays or tensors.

        Parameters
        ----------
        inputs
            Ids (B, T) or (B, T, G), numbers (B, T, D), or both (B, T, G + D).
        lengths
            (B,) steps of each row.
        state
            Arrays (layers · directions, B, H), one for each of the cell's states; None: the cell's own.

        Returns
        -------
        The answers: (B, K) for a whole sequence, (B, T, K) to tag, nought beyond a row's length; and the
        final state, shaped as ``state``.
        """
        read, rows = self._read(inputs, lengths)
        outputs, after = self.layers(read, self._to(read, state), lengths=rows)
        final = torch.cat(tuple(main_state(after)[-len(self.layers.suffixes) :]), dim=-1)
        return self.head(outputs, final, rows, self._direct(read, rows)), after

    def loss(self, batch: Batch | Chunk) -> Tensor:
        """Give the loss of a batch: a scalar. A chunk's state is taken from its carry, and left there."""
        chunk = batch if isinstance(batch, Chunk) else None
        answers, after = self.run(batch.inputs, batch.lengths, chunk.state() if chunk else None)
        if chunk:
            chunk.carry.keep(after)
        targets = torch.as_tensor(batch.targets).to(answers.device)
        weights = None if batch.weights is None else torch.as_tensor(batch.weights).to(answers)
        smoothing = self.settings.label_smoothing
        if self.objective == "nll" and answers.dim() == 2:
            return nll(answers, targets, weights, self.class_weights, smoothing)
        lengths = torch.as_tensor(batch.lengths).to(answers.device)
        if self.objective == "nll":
            return nll_of_steps(answers, targets, lengths, weights, self.class_weights, smoothing)
        if answers.dim() == 2:  # one answer is a step
            answers, targets, lengths = answers[:, None], targets[:, None], torch.ones_like(lengths)
        return LOSSES_OF_NUMBERS[self.objective](answers, targets, lengths, weights)

    def slopes(self) -> Slopes | None:
        """Give what finds the loss of a batch and its gradients without torch's graph, where that can be."""
        return slopes_of(self) if type(self) is Network else None

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
        return tensor_shapes(self.settings, self.sizes, self.outputs, features=self.features, task=self.task)

    def _read(self, inputs: Any, lengths: Any) -> tuple[Tensor, Tensor]:
        """What the layers read (T, B, D), and the lengths (B,), both on the network's device."""
        columns = self._columns(inputs)
        rows = as_lengths(lengths, columns)
        if not self.sizes:
            return columns, rows
        if not self.features:
            return self._hot(columns) if self.one_hot else self._embed(columns), rows
        ids, numbers = columns[..., : len(self.sizes)], columns[..., len(self.sizes) :]
        return torch.cat([self._embed(ids.long()), numbers], dim=-1), rows

    def _columns(self, inputs: Any) -> Tensor:
        """Ids alone as int64 (T, B, G), else numbers (T, B, D) of the weights' type, on their device."""
        weight = next(self.parameters())
        dtype, width = weight.dtype if self.features else torch.int64, len(self.sizes) + self.features
        columns = torch.as_tensor(inputs).to(weight.device, dtype)
        columns = columns[..., None] if columns.dim() == 2 and not self.features else columns
        if columns.dim() != 3 or columns.shape[-1] != width:
            message = f"the input has shape {tuple(columns.shape)}, the network reads (B, T, {width})"
            raise UsageError(message, code="E164")
        return columns.transpose(0, 1)

    def _to(self, read: Tensor, state: State | None) -> State | None:
        """The first state as tensors, of the type and on the device of what the layers read."""
        if isinstance(state, (tuple, list)):
            return tuple(torch.as_tensor(part).to(read) for part in state)
        return None if state is None else torch.as_tensor(state).to(read)

    def _direct(self, read: Tensor, rows: Tensor) -> Tensor | None:
        """What a classifying head reads beside the states: a row's inputs, summed, over √length."""
        shortcut = self.settings.shortcut
        if not shortcut or not isinstance(self.head, ClassifyHead):
            return None
        if self.features:  # whatever stands beyond a row's length, NaN included
            read = read.masked_fill(~valid_steps(rows, len(read)), 0)
        (total,) = pool(read, rows, ["sum"])
        return shortcut * total / rows.clamp(min=1).sqrt()[:, None]

    def _hot(self, ids: Tensor) -> Tensor:
        """(T, B, 1) -> (T, B, V): a 1 in the symbol's place; noughts for the unknown one, id 0."""
        return functional.one_hot(ids[..., 0], self.sizes[0])[..., 1:].to(next(self.parameters()))

    def _embed(self, ids: Tensor) -> Tensor:
        """(T, B, G) -> (T, B, E): the sum of the columns' embeddings."""
        rates = (self.settings.symbol_dropout, self.settings.ngram_dropout)
        columns = list(ids.unbind(-1))
        if self.training:
            columns = [hide(column, rates[min(g, 1)]) for g, column in enumerate(columns)]
        return embed(list(self.embedding), columns, self.settings.input_dropout, self.training)  # type: ignore[arg-type]


def make_layers(settings: NetworkSettings, cell: Cell, width: int, outputs: int) -> Recurrent:
    """Make the layers that read ``width`` numbers a step; a cell that is not built in is tried first."""
    own = not isinstance(cell, BUILT_IN)
    if own:
        check_cell(cell, width, outputs)
    between = settings.dropout if settings.num_layers > 1 else 0.0
    layers = Recurrent(
        cell,
        width,
        settings.num_layers,
        dropout=between,
        bidirectional=not settings.causal,
        output_size=outputs if cell.answers else None,
    )
    if own:
        layers.check_step()
    return layers


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
