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
    """One paragraph each: a table of five columns is unreadable in a terminal of 80."""
    from rich.console import Console
    from rich.padding import Padding

    console = Console(highlight=False)
    for row in entries():
        console.print(row.name, style="bold", markup=False)
        needs = "nothing trained" if row.needs == "–" else row.needs
        for line in (row.summary, f"tasks: {row.tasks}; needs: {needs}", row.source):
            if line != "–":
                console.print(Padding(line.replace("[", r"\[").replace("``", ""), (0, 0, 0, 4)))
