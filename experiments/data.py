"""List the data sets: `python -m experiments.data [NAME ...] [--root FOLDER]`.

Every data set with its task, size, licence, citation and whether it is there; for what is missing, where to get it and
where to put it. With names, those only, in full. Exit code 0; 2: a name that is not known.
"""

import argparse
import difflib
import sys
from pathlib import Path

import alfi.data
from alfi.data import medmnist
from alfi.data.facts import Facts, missing
from alfi.data.root import data_root


def main(arguments: list[str] | None = None) -> int:
    from rich.console import Console

    parser = argparse.ArgumentParser(prog="python -m experiments.data", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, in full")
    parser.add_argument("--root", help="the folder of the data; else ALFI_DATA, ../shared/data or ~/.cache/alfi")
    options = parser.parse_args(arguments)
    root = data_root(options.root).absolute()
    known = {facts.name: facts for facts in alfi.data.describe(root=root)}
    for name in options.names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.0)[0]
            print(
                f"error: unknown data set '{name}'. Did you mean '{near}'? Known: {', '.join(known)}", file=sys.stderr
            )
            return 2
    console = Console(width=None if sys.stdout.isatty() else 150)  # a row is a line in a file or a pipe
    if options.names:
        text = "\n\n".join(in_full(known[name], root) for name in options.names)
    else:
        console.print(table(list(known.values()), root))
        text = "\n\n".join(filter(None, (citations(list(known.values())), closing(list(known.values()), root))))
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return 0


def table(known: list[Facts], root: Path):
    """One row per data set; colours tell nothing that the words do not."""
    from rich import box
    from rich.table import Table

    made = Table(
        title=f"Data sets below {root}", title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    for column in ("name", "there", "task", "size", "licence"):
        made.add_column(column, no_wrap=column in ("name", "there"))
    for facts in known:
        made.add_row(facts.name, there(facts, root), facts.task, facts.size, facts.licence)
    return made


def citations(known: list[Facts]) -> str:
    """What a publication has to cite: one line each, with the data sets that it is for."""
    cited: dict[str, list[str]] = {}
    for facts in known:
        cited.setdefault(facts.citation, []).append(facts.name)
    return "\n".join(
        ["To cite:", *(f"  {citation}: {', '.join(names)}" for citation, names in cited.items() if citation)]
    )


def there(facts: Facts, root: Path) -> str:
    """'yes', 'no', 'in part', 'bundled' where no file is needed, or '?' for a reader that tells nothing of itself."""
    absent = missing(facts, root)
    if not facts.files:
        return "bundled" if facts.task else "?"
    return "yes" if not absent else "no" if len(absent) == len(facts.files) else "in part"


def closing(known: list[Facts], root: Path) -> str:
    """Where to get what is missing, and where to put it: one paragraph per source."""
    sources: dict[tuple[str, str], list[str]] = {}
    for facts in known:
        for path in missing(facts, root):
            sources.setdefault((facts.source, facts.licence), []).append(path)
    lines = ["Missing. Nothing is downloaded: fetch it yourself, and keep to its licence."] if sources else []
    for (source, licence), paths in sources.items():
        lines += [f"from {source} (licence {licence}), into {root}:", *(f"  {path}" for path in paths)]
    return "\n".join(lines)


def in_full(facts: Facts, root: Path) -> str:
    absent = missing(facts, root)
    lines = [facts.name, f"  task      {facts.task}", f"  size      {facts.size}", f"  licence   {facts.licence}"]
    lines += [f"  cite      {facts.citation}", f"  there     {there(facts, root)}"]
    if facts.source:
        lines.append(f"  get it    from {facts.source}")
    lines += [f"  {'missing' if path in absent else 'found':<10}{root / path}" for path in facts.files]
    path = root / "medmnist" / f"{facts.name}.npz"
    if facts.files == (f"medmnist/{facts.name}.npz",) and path.is_file():
        lines.append(f"  md5       {checksum(path)}")
    return "\n".join(lines)


def checksum(path: Path) -> str:
    found, published = medmnist.checksum(path)
    if published is None:
        return f"{found}; none is published for this name"
    told = "as published" if found == published else f"not the published {published}; it is read all the same"
    return f"{found}, {told}"


if __name__ == "__main__":
    sys.exit(main())
