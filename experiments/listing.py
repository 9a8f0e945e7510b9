"""What strategies there are: a table made of their docstrings."""

import inspect
import re
from typing import NamedTuple

from alfi import strategies
from experiments.config import STRATEGIES


class Entry(NamedTuple):
    """One strategy: its first line, and what the lines `Tasks: ...`, `Needs: ...` and `Source: ...` say."""

    name: str
    summary: str
    tasks: str
    needs: str
    source: str


def entries() -> list[Entry]:
    """Every strategy that can be named in an experiment."""
    return [entry(name) for name in STRATEGIES]


def entry(name: str) -> Entry:
    paragraphs = (inspect.getdoc(getattr(strategies, name)) or "").split("\n\n")
    text = [" ".join(paragraph.split()) for paragraph in paragraphs]
    facts = next((paragraph for paragraph in text if paragraph.startswith("Tasks: ")), "")

    def fact(word: str, otherwise: str) -> str:
        found = re.search(rf"{word}: (.*?)\.(?: |$)", facts)
        return found.group(1) if found else otherwise

    source = next((paragraph for paragraph in text if paragraph.startswith("Source: ")), "Source: –")
    return Entry(
        name, text[0].replace("``", ""), fact("Tasks", "any"), fact("Needs", "–"), source.removeprefix("Source: ")
    )


def show() -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="strategies", title_justify="left", show_lines=True)
    table.add_column("name", no_wrap=True)
    for title in ("what it asks for", "tasks", "needs", "source"):
        table.add_column(title, overflow="fold")
    for row in entries():
        table.add_row(*(part.replace("[", r"\[") for part in row))
    Console().print(table)
