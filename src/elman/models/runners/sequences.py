"""What the model of this folder is given and what it answers, as lists: the standard library alone."""

import json
import random
import unicodedata
from collections.abc import Callable
from typing import Any

BEGIN, END, UNKNOWN = "\ufdd0", "\ufdd1", "\ufffd"  # marks of a text's edges; what stands for others
Run = Callable[[dict[str, Any]], Any]


def answer(word: str, about: dict[str, Any], run: Run) -> str:
    """Answer one sequence, as the command line has it: a text, or JSON.

    ``run`` runs the network: lists under the names of its inputs -> its answer, a list.
    """
    if about["task"] == "generate":
        return generate(word, about, run)
    if about["task"] == "forecast":
        return json.dumps(forecast(json.loads(word), about, run))
    said = run(read(word, about))
    if "classes" not in about:
        return json.dumps(said)
    if about["task"] == "classify":
        best = likeliest(said)
        return f"{about['classes'][best]} {said[best]:.4f}"
    return json.dumps([about["classes"][likeliest(step)] for step in said])


def likeliest(shares: list[float]) -> int:
    """The place of the largest share."""
    return max(range(len(shares)), key=shares.__getitem__)


def read(word: str, about: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a text, of numbers [1, 2] or [[1, 2], [3, 4]], or of both: ["a text", [1, 2]]."""
    if about["reads"] == "text":
        return {"ids": ids_of(word, about["text"])}
    if about["reads"] == "number":
        return {"numbers": [step if isinstance(step, list) else [step] for step in json.loads(word)]}
    text, numbers = json.loads(word)
    ids = ids_of(text, about["text"])
    if not numbers or not isinstance(numbers[0], list):  # those of the whole text stand at each step
        return {"ids": ids, "numbers": [numbers or about["mean"]] * len(ids)}
    last = numbers[-1:] * (len(ids) - len(numbers))  # the text's end is a step too
    return {"ids": ids, "numbers": numbers + last}


def ids_of(text: str, told: dict[str, Any]) -> list[list[int]]:
    """For each step the id of its symbol, then of each longer group that ends there; 0: never seen."""
    numbers = [{entry: n for n, entry in enumerate(entries, 1)} for entries in told["vocabulary"]]
    symbols, glue = cut(text, told["unit"]), " " * (told["unit"] == "word")
    symbols = [BEGIN, *symbols, END] if told["edges"] else symbols
    return [
        [known.get(glue.join(symbols[t - g : t + 1]), 0) if t >= g else 0 for g, known in enumerate(numbers)]
        for t in range(int(told["edges"]), len(symbols))
    ]


def cut(text: str, unit: str) -> list[str]:
    """The symbols of a text: characters, bytes of UTF-8, or words; each punctuation mark is a word."""
    text = unicodedata.normalize("NFC", text).replace(BEGIN, UNKNOWN).replace(END, UNKNOWN)
    if unit == "character":
        return list(text)
    if unit == "byte":
        return list(text.encode("utf-8", "surrogatepass").decode("latin-1"))
    return "".join(f" {c} " if unicodedata.category(c)[0] in "PS" else c for c in text).split()


def forecast(given: Any, about: dict[str, Any], run: Run) -> list[Any]:
    """The next values of a series [1, 2], or of {"numbers": ..., "horizon": 12, "known": ..., "past": ...}.

    What is known (covariates) begins at the first step and goes on beyond the last; beyond the horizon that
    it learnt, what the model says is what it reads next.
    """
    given = given if isinstance(given, dict) else {"numbers": given}
    wide = {
        name: [step if isinstance(step, list) else [step] for step in given[name]]
        for name in ("numbers", "known", "past")
        if name in given
    }
    begun, block = len(wide["numbers"]), about["horizon"]
    wanted = given.get("horizon", block)
    while len(wide["numbers"]) < begun + wanted:
        inputs = dict(wide)
        if "known" in wide:  # of T + H - 1 steps, from the one after the first on
            steps = len(wide["numbers"]) + block - 1
            nothing = [[float("nan")] * about["known"]] * steps
            inputs["known"] = (wide["known"][1:] + nothing)[:steps]
        last = run(inputs)[-1]
        wide["numbers"] = wide["numbers"] + (last if block > 1 else [last])
    said = wide["numbers"][begun : begun + wanted]
    return [step[0] if len(step) == 1 else step for step in said]


def generate(word: str, about: dict[str, Any], run: Run, longest: int = 200) -> str:
    """Draw a text that begins with ``word``; ["begin", "condition"] where the model learnt conditions."""
    begin, condition = json.loads(word) if "conditions" in about else (word, None)
    told, code = about["text"], []
    if "conditions" in about:
        code = [0 if condition is None else about["conditions"].index(condition) + 1]
    number = {symbol: n for n, symbol in enumerate(told["vocabulary"][0], 1)}
    symbols = [BEGIN, *cut(begin, told["unit"])]
    for _ in range(longest):
        shares = run({"ids": [[number.get(symbol, 0), *code] for symbol in symbols]})[-1]
        (drawn,) = random.choices(about["classes"], shares)
        if drawn == END:
            break
        symbols.append(drawn)
    return joined(symbols[1:], told["unit"])


def joined(symbols: list[str], unit: str) -> str:
    """A text of symbols."""
    if unit == "byte":
        return "".join(symbols).encode("latin-1", "replace").decode("utf-8", "replace")
    return (" " if unit == "word" else "").join(symbols)
