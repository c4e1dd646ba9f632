"""What a benchmark shows and keeps: tables in Markdown, and their numbers in JSON beside them."""

from __future__ import annotations

import json
from pathlib import Path


def markdown(title: str, rows: list[dict[str, object]]) -> str:
    """A table under its title, with the names of the longest row; what another row has not stays empty."""
    heads = list(max(rows, key=len))
    lines = [f"## {title}", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        values = [row.get(head, "") for head in heads]
        lines.append("| " + " | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in values) + " |")
    return "\n".join([*lines, ""])


def keep(name: str, text: str, found: object) -> None:
    """Write ``text`` and the numbers beside this file."""
    place = Path(__file__).with_name(name)
    place.with_suffix(".md").write_text(text)
    place.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
