"""Tables as the commands read and write them."""

from __future__ import annotations

import csv
import io
from pathlib import Path


def write(name, columns):
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))
