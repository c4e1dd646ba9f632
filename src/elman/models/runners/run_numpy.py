"""Run the model of this folder with NumPy alone: python run_numpy.py SEQUENCE ..."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Params = dict[str, Array]
State = tuple[Array, ...]

with np.load(Path(__file__).with_name("model.npz")) as file:
    arrays = {name: file[name] for name in file.files}
about = json.loads(str(arrays.pop("about")))
network = about["network"]


def run(inputs: dict[str, Any]) -> Any:
    """Answer one sequence: (K,), or (T, ...) at every step, as lists."""
    read, shift, scale = channels(inputs)
    parts = [member(m, inputs, read) for m in range(network["members"])]
    said = np.mean([softmax(part) for part in parts] if "classes" in about else parts, axis=0)
    if "classes" in about:
        return said.tolist()
    values = said * arrays["targets.scale"] + arrays["targets.mean"]
    if shift is not None:  # what a forecaster says is relative to its series
        values = values.reshape(-1, about["horizon"], about["values"]) * scale[:, None] + shift[:, None]
        values = values if about["horizon"] > 1 else values[:, 0]
    return values.tolist()


def channels(inputs: dict[str, Any]) -> tuple[Array | None, Any, Any]:
    """The numbers as the network reads them: standardised, NaN as 0 beside a mask; and what a series is."""
    if "numbers" not in inputs:
        return None, None, None
    width = about.get("values", len(arrays["inputs.mean"]))
    values = np.array(inputs["numbers"], np.float64).reshape(-1, width)
    shift = scale = None
    if "normalise" in about:
        values, shift, scale = readings(values, inputs)
    missing = np.isnan(values)
    standard = np.where(missing, 0, (values - arrays["inputs.mean"]) / arrays["inputs.scale"])
    both = [standard, missing] if network["masks"] else [standard]
    return np.concatenate(both, axis=1).astype(np.float32), shift, scale


def readings(values: Array, inputs: dict[str, Any]) -> tuple[Array, Array, Array]:
    """What a forecaster reads at each step, and what its answer is measured from and by."""
    steps, shift, scale, own = len(values), np.zeros_like(values), np.ones_like(values), values
    if about["normalise"] == "last":  # changes from the last value on
        own, shift = np.diff(values, axis=0, prepend=values[:1]), values
    if about["normalise"] == "scale":  # shares of the mean size so far
        means = np.cumsum(np.abs(values), axis=0) / np.arange(1, steps + 1)[:, None]
        scale = np.where(means > 0, means, 1)
        own = values / scale
    parts = [own]
    if about["past"]:
        parts.append(np.array(inputs["past"], np.float64)[:steps])
    if about["known"]:
        known = np.array(inputs["known"], np.float64)
        parts += [known[j : j + steps] for j in range(about["horizon"])]
    return np.concatenate(parts, axis=1), shift, scale


def member(m: int, inputs: dict[str, Any], read: Array | None) -> Array:
    """What one network says: (K,) of the whole sequence, or (T, K)."""
    weights = {n.removeprefix(f"members.{m}."): a for n, a in arrays.items() if n.startswith(f"members.{m}.")}
    first = embedded(inputs, weights)
    first = np.concatenate([part for part in (first, read) if part is not None], axis=1)
    outputs, final = first, first
    for n in range(network["layers"]):
        found = [scan(outputs, params(weights, f"_l{n}{way}"), way) for way in network["ways"]]
        outputs = np.concatenate([output for output, _ in found], axis=1)
        final = np.concatenate([state[0] for _, state in found])
    if network["answers"]:  # the cell's output is the answer
        return (
            outputs if not network["whole"] else outputs[-1] if len(outputs) else np.zeros(network["outputs"])
        )
    if network["whole"]:
        outputs = pooled(first, outputs, final)
    product: Array = outputs @ weights["head.weight"].T + weights["head.bias"]
    return product


def embedded(inputs: dict[str, Any], weights: Params) -> Array | None:
    """The sum of what stands for each id of a step, or one-hot symbols; id 0 is the unknown one."""
    if "ids" not in inputs:
        return None
    ids = np.array(inputs["ids"], np.int64).reshape(-1, network["columns"])
    if network["one_hot"]:
        return np.eye(network["one_hot"], dtype=np.float32)[ids[:, 0], 1:]
    rows = [weights[f"embedding.{g}.weight"][ids[:, g]] for g in range(ids.shape[1])]
    total: Array = sum(rows[1:], rows[0])
    return total


def params(weights: Params, ending: str) -> Params:
    """One layer's and direction's weights, under the cell's own names."""
    found = {n.removeprefix("layers."): a for n, a in weights.items() if n.startswith("layers.")}
    return {n.removesuffix(ending): a for n, a in found.items() if n.endswith(ending)}


def scan(inputs: Array, p: Params, way: str) -> tuple[Array, State]:
    """Take a step at every time, from the end on where it reads backwards."""
    state: State = tuple(np.zeros(network["hidden_size"], np.float32) for _ in range(network["states"]))
    outputs: list[Array] = []
    for x in inputs[::-1] if way else inputs:
        output, state = STEPS[network["recurrence"]](x, state, p)
        outputs.append(output)
    width = network["outputs"] if network["answers"] else network["hidden_size"]
    every = np.array(outputs, np.float32).reshape(len(inputs), width)
    return every[::-1] if way else every, state


def pooled(first: Array, outputs: Array, final: Array) -> Array:
    """What the head of a whole sequence reads."""
    noughts = np.zeros(outputs.shape[1], np.float32)
    kinds = {
        "last": final,
        "mean": outputs.sum(axis=0) / max(1, len(outputs)),
        "max": outputs.max(axis=0) if len(outputs) else noughts,
    }
    parts = [kinds[kind] for kind in network["pooling"]]
    if network["shortcut"]:
        parts.append(network["shortcut"] * first.sum(axis=0) / max(1, len(first)) ** 0.5)
    return np.concatenate(parts).astype(np.float32)


def rnn(x: Array, state: State, p: Params) -> tuple[Array, State]:
    """One step: h' = φ(W_ih x + b_ih + W_hh h + b_hh)."""
    a = p["weight_ih"] @ x + p["bias_ih"] + p["weight_hh"] @ state[0] + p["bias_hh"]
    h = {"tanh": np.tanh(a), "relu": np.maximum(a, 0), "identity": a}[network["nonlinearity"]]
    return h, (h,)


def lstm(x: Array, state: State, p: Params) -> tuple[Array, State]:
    """One step: c' = f c + i g; h' = o tanh(c')."""
    h, c = state
    i, f, g, o = np.split(p["weight_ih"] @ x + p["bias_ih"] + p["weight_hh"] @ h + p["bias_hh"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, (h, c)


def gru(x: Array, state: State, p: Params) -> tuple[Array, State]:
    """One step: h' = n + z (h - n)."""
    (h,) = state
    a_r, a_z, a_n = np.split(p["weight_ih"] @ x + p["bias_ih"], 3)
    q_r, q_z, q_n = np.split(p["weight_hh"] @ h + p["bias_hh"], 3)
    n = np.tanh(a_n + sigmoid(a_r + q_r) * q_n)
    h = n + sigmoid(a_z + q_z) * (h - n)
    return h, (h,)


def names(x: Array, state: State, p: Params) -> tuple[Array, State]:
    """One step: answer = W_i2o [x, h] + b_i2o; h' = W_i2h [x, h] + b_i2h."""
    u = np.concatenate([x, state[0]])
    return p["weight_i2o"] @ u + p["bias_i2o"], (p["weight_i2h"] @ u + p["bias_i2h"],)


def sine(x: Array, state: State, p: Params) -> tuple[Array, State]:
    """One step: c' = tanh([x, c] w1); answer = c' w2."""
    c = np.tanh(np.concatenate([x, state[0]]) @ p["w1"])
    return c @ p["w2"], (c,)


STEPS = {"rnn": rnn, "lstm": lstm, "gru": gru, "names": names, "sine": sine}


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    share: Array = np.where(x < 0, e, 1) / (1 + e)
    return share


def softmax(x: Array) -> Array:
    """exp(x_k) / Σ exp(x) over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    shares: Array = e / e.sum(axis=-1, keepdims=True)
    return shares


if __name__ == "__main__":
    from sequences import answer  # the file beside this one

    for word in sys.argv[1:]:
        print(answer(word, about, run))
