"""``elman generate``: write texts with a model that learnt to."""

from __future__ import annotations

import argparse

from elman.cli.cells import add_cell_argument, load_cells
from elman.cli.output import print_json
from elman.models.saving import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument(
        "-n", "--count", type=int, default=10, metavar="N", help="how many texts (default: 10)"
    )
    parser.add_argument("--prime", default="", metavar="TEXT", help="how each text begins")
    parser.add_argument(
        "--condition", metavar="VALUE", help="what they are to be like: a value of the condition column"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="X",
        help="below 1 the likely becomes likelier (default: 1)",
    )
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest symbols only")
    parser.add_argument(
        "--top-p", type=float, metavar="P", help="draw from the likeliest that add up to P only"
    )
    parser.add_argument(
        "--longest", type=int, default=200, metavar="N", help="symbols after which a text is cut"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed writes the same texts")
    add_cell_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    load_cells(arguments)
    model = load(arguments.model)
    texts = model.generate(
        arguments.count,
        arguments.prime,
        condition=arguments.condition,
        temperature=arguments.temperature,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
        longest=arguments.longest,
        seed=arguments.seed,
    )
    if arguments.json:
        print_json({"texts": texts})
        return 0
    for text in texts:
        print(text)
    return 0
