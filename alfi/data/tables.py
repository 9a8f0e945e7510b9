"""The rows of a comma-separated file, and what to say of one that has none."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path


def rows(
    path: Path, columns: Sequence[str] = (), *, header: Sequence[str] | None = None, encoding: str = "utf-8-sig"
) -> list[dict[str, str]]:
    """One dictionary per row that is not empty; spaces around names and values are taken off.

    A first line with semicolons and no comma, as spreadsheets write it where the comma is the decimal mark, is
    separated at those. ``columns`` must be there and hold something in each row. ``header``: names for a file without.

    Raises ValueError naming the file, and the line from which a value is missing.

    Example: ``rows(folder / "HAM10000_metadata.csv", ["image_id", "dx"])[0]["dx"]``
    """
    try:
        text = path.read_text(encoding=encoding)
        first = text.partition("\n")[0]
        delimiter = ";" if ";" in first and "," not in first else ","
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: no readable csv ({error}); download it again") from error
    names = list(header or (lines.pop(0) if lines else ()))
    names = [name.strip() for name in names]
    if absent := [column for column in columns if column not in names]:
        raise ValueError(f"{path}: line 1: got columns {', '.join(names)}, expected also {', '.join(absent)}")
    table = []
    for line, values in enumerate(lines, start=1 if header else 2):
        row = dict(zip(names, (value.strip() for value in values), strict=False))
        if any(row.values()):
            if empty := [column for column in columns if not row.get(column)]:
                raise ValueError(f"{path}: line {line}: got {row}, expected a value for {', '.join(empty)}")
            table.append(row)
    return table
