"""The report of an experiment, rebuilt from its files alone: `python -m experiments.report results/NAME`."""

import base64
import csv
import html
import io
import os
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

from experiments import figures, tables
from experiments.records import Records, read

STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 84rem; margin: 2.5rem auto; padding: 0 1.2rem }
h1 { margin-bottom: .2rem } h2 { margin-top: 2.4rem } img { max-width: 100%; height: auto }
code { background: #f2f2f2; padding: .1em .3em }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th { vertical-align: bottom; white-space: normal; border-bottom: 2px solid #222 }
th:first-child, td:first-child { text-align: left; font-weight: 600 }
tbody tr:hover { background: #f4f7fa }
.settings td { text-align: left; white-space: normal; overflow-wrap: anywhere }
.missing { border-left: 4px solid #d55e00; background: #fdf3ec; padding: .5rem 1rem }
"""


class Report(NamedTuple):
    """The files of a report."""

    table: Path
    curves: Path
    picks: Path
    timings: Path
    figure: Path
    page: Path


def build(folder: Path) -> Report:
    """Write the report of the experiment in `folder` beside its records; nothing is run again.

    Gives `table.md`, `curves.csv` (strategy, seed, round, labels, metric, value), `picks.csv`, `timings.csv`,
    `learning_curves.png` and the self-contained `report.html`. The same records give the same bytes. Each file is
    replaced whole or not at all.

    Raises FileNotFoundError for a missing folder or file, ValueError for a broken file or where no round is complete.
    """
    folder = Path(folder)
    records = read(folder)
    figure = figures.learning_curves(records)
    files = Report(
        table=folder / "table.md",
        curves=folder / "curves.csv",
        picks=folder / "picks.csv",
        timings=folder / "timings.csv",
        figure=folder / "learning_curves.png",
        page=folder / "report.html",
    )
    run = ["strategy", "seed", "round"]
    _write(files.curves, _csv([*run, "labels", "metric", "value"], records.curves))
    _write(files.picks, _csv([*run, "order", "id", "gain"], records.picks))
    _write(files.timings, _csv([*run, "phase", "seconds"], records.timings))
    _write(files.figure, figure)
    _write(files.table, markdown(records).encode())
    _write(files.page, _html(records, figure).encode())
    return files


def print_table(folder: Path) -> None:
    """Print the tables and what they mean to the console."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    records, console = read(Path(folder)), Console()
    for table in _tables(records):
        console.print(Text(f"\n{table.title}", style="bold"))
        for block in _blocks(table, console.width):
            view = Table(box=box.SIMPLE_HEAD, pad_edge=False)
            for column, width in block:
                view.add_column(Text(table.header[column]), justify="right" if column else "left", width=width)
            for row in table.rows:
                view.add_row(*(Text(row[column]) for column, _ in block))
            console.print(view)
    for note in records.notes:
        console.print(Text(note, style="yellow"))


def _blocks(table, width):
    """Columns with their widths, in as many blocks as keep the cells whole; each block begins with the first column."""

    def needed(column):  # headers may wrap between words, cells not at all
        return max(map(len, [*table.header[column].split(), *(row[column] for row in table.rows)]))

    first = (0, needed(0))
    blocks = [[first]]
    for column in range(1, len(table.header)):
        if len(blocks[-1]) > 1 and sum(w + 3 for _, w in blocks[-1]) + needed(column) + 3 > width:
            blocks.append([first])
        blocks[-1].append((column, needed(column)))
    return blocks


def _tables(records):
    return [table for table in (tables.primary(records), tables.secondary(records), tables.cost(records)) if table]


def _csv(header, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def markdown(records: Records) -> str:
    """The tables and what they mean: the text of `table.md`."""

    def line(cells):
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    parts = [f"# {records.config['name']}", f"`{records.config['command']}`"]
    for table in _tables(records):
        rule = ["---"] + ["---:"] * (len(table.header) - 1)
        parts += [f"## {table.title}", "\n".join(map(line, [table.header, rule, *table.rows]))]
    parts.append("\n".join(f"- {sentence}" for sentence in tables.sentences(records)))
    return "\n\n".join(parts) + "\n"


def _html(records: Records, figure: bytes) -> str:
    def escape(value):
        return html.escape(str(value))

    def section(table, kind=""):
        def cells(tag, row):
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"

        head = f"<thead>{cells('th', table.header)}</thead>" if any(table.header) else ""
        body = "".join(cells("td", row) for row in table.rows)
        inner = f'<table class="{kind}">{head}<tbody>{body}</tbody></table>'
        return f'<h2>{escape(table.title)}</h2><div class="scroll">{inner}</div>'

    def image(data, text):
        return f'<img alt="{escape(text)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'

    def bullets(lines, kind=""):
        return f'<ul class="{kind}">' + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"

    config, over_rounds = records.config, figures.diagnostics(records)
    main, *others = _tables(records)
    text = [line for line in tables.sentences(records) if line not in records.notes]
    names = ", ".join(records.strategies)
    parts = [
        f"<h1>{escape(config['name'])}</h1>",
        f"<p>{escape(config['data'])}: {escape(names)}</p><p><code>{escape(config['command'])}</code></p>",
        f'<div class="missing">{bullets(records.notes)}</div>' if records.notes else "",
        image(figure, f"Learning curves of {names}; paired differences in area to {records.baseline}"),
        section(main),
        bullets(text),
        *map(section, others),
        "<h2>Diagnostics</h2><p>Median and quartiles over seeds.</p>" + image(over_rounds, "Diagnostics over rounds")
        if over_rounds
        else "",
        section(tables.settings("Configuration", config), "settings"),
        section(tables.settings("Environment", records.environment), "settings"),
    ]
    title = f"<title>{escape(config['name'])}</title>"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">{title}<style>{STYLE}</style>'
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 2 tells of an error that is the user's to mend."""
    import tyro

    def report(folder: Annotated[Path, tyro.conf.arg(metavar="results/NAME")], /, quiet: bool = False) -> Path:
        """Rebuild the report of an experiment from its records. Nothing is trained or selected again.

        Reads config.json, environment.json and rounds.jsonl, also of a run that is incomplete; writes table.md,
        curves.csv, picks.csv, timings.csv, learning_curves.png and report.html beside them.

        Args:
            folder: What `python -m experiments.run NAME` wrote.
            quiet: Do not print the tables.
        """
        page = build(folder).page
        if not quiet:
            print_table(folder)
        return page

    try:
        page = tyro.cli(report, args=arguments, prog="python -m experiments.report")
    except (FileNotFoundError, ValueError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
