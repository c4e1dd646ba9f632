"""What a network is made of; every default stands here and nowhere else. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from elman.settings import setting

POOLINGS = ("last", "mean", "max", "last+mean", "last+max", "mean+max", "last+mean+max")


@dataclass(kw_only=True)
class NetworkSettings:
    """A network's shape, its first weights, and what is dropped while it learns."""

    recurrence: str = setting("gru", "The recurrence: rnn, lstm, gru or a registered cell's name.")
    hidden_size: int = setting(128, "Units in each layer and direction.", least=1)
    num_layers: int = setting(1, "Layers, each reading the outputs of the one below.", least=1)
    causal: bool = setting(True, "Read forwards only; otherwise in both directions where the task allows it.")
    nonlinearity: str = setting("tanh", "What squashes the state of an rnn.", choices=("tanh", "relu"))
    symbols: str = setting(
        "embedding",
        "How a symbol of a text is read: by an embedding that is learnt, or one-hot, as it is.",
        choices=("embedding", "one-hot"),
    )
    embedding_size: int = setting(128, "Numbers that stand for one symbol.", least=1)
    ngrams: int = setting(
        4, "Longest n-gram of symbols, ending at a step, that has an embedding of its own.", least=1, most=8
    )
    pooling: str = setting(
        "mean+max", "What the answer reads of the states over time, joined by +.", choices=POOLINGS
    )
    shortcut: float = setting(
        3.0,
        "Weight of the summed inputs (over the root of the length), which the answer reads too; 0: none.",
        least=0,
    )
    dropout: float = setting(
        0.5, "Share of values dropped between layers and before the answer.", least=0, most=0.95
    )
    input_dropout: float = setting(0.2, "Share of the embedding's values dropped.", least=0, most=0.95)
    symbol_dropout: float = setting(0.0, "Share of symbols that are hidden as unknown.", least=0, most=0.95)
    ngram_dropout: float = setting(0.2, "Share of n-grams that are hidden.", least=0, most=0.95)
    label_smoothing: float = setting(0.0, "Share of the target spread over all labels.", least=0, most=0.95)
    symbol_scale: float = setting(0.5, "Standard deviation of the symbols' first embeddings.", least=0)
    ngram_scale: float = setting(0.1, "Standard deviation of the n-grams' first embeddings.", least=0)
    first_weights: str = setting(
        "orthogonal",
        "First weights: uniform as torch has them, or orthogonal over the states; own cells name theirs.",
        choices=("uniform", "orthogonal"),
    )
    memory: int | None = setting(
        None,
        "Steps for up to which the gates of an lstm or gru are first set to keep a state; none: a few.",
        least=2,
    )


@dataclass(kw_only=True)
class LossSettings:
    """What learning makes small. It is no part of the network, and not saved with it."""

    loss: str = setting(
        "auto",
        "nll: cross entropy; mse: mean squared error; half_squares: half the sum of squares over a sequence.",
        choices=("auto", "nll", "mse", "half_squares"),
    )
