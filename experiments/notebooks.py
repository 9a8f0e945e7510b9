"""Execute the notebooks: `python -m experiments.notebooks [NAME ...] [--tiny]`, or `make notebooks`.

A notebook is its percent script, `notebooks/NAME.py`. This runs it in a fresh kernel and writes `NAME.ipynb` with what
came out, and the figure of the cell tagged "figure", if there is one, as `NAME.png`. Nothing of the machine is written:
no paths, no times, no versions. With `--tiny` everything runs small (ALFI_TINY=1) and nothing is written.
"""

import argparse
import base64
import copy
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from experiments.store import write_atomically

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
TIMEOUT = 600  # seconds for a cell


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.notebooks", description="Execute the notebooks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    parser.add_argument("--tiny", action="store_true", help="run small, write nothing")
    options = parser.parse_args(arguments)
    known = names()
    if unknown := [name for name in options.names if name not in known]:
        print(f"error: no notebook {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    for name in options.names or known:
        begin = time.perf_counter()
        notebook = execute(read(name), tiny=options.tiny)
        if not options.tiny:
            write(name, notebook)
        print(f"{name}: {time.perf_counter() - begin:.0f} s")
    return 0


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def read(name: str) -> Any:
    """The percent script as a notebook without outputs, the same one each time."""
    import jupytext

    notebook = jupytext.read(FOLDER / f"{name}.py", fmt="py:percent")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    pairing = {"formats": notebook.metadata["jupytext"]["formats"]}
    notebook.metadata = {"jupytext": pairing, "kernelspec": kernel, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
    return notebook


def execute(notebook: Any, *, tiny: bool = False) -> Any:
    """The same notebook with outputs, from a fresh kernel in an empty folder.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    ValueError
        If a cell writes to stderr: a warning, and often a path.
    """
    from nbclient import NotebookClient

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("ALFI_TINY", None)
    if tiny:
        environment["ALFI_TINY"] = "1"
    metadata = copy.deepcopy(notebook.metadata)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        quiet = ["--log-level=ERROR"]  # else each kernel warns that it listens on this machine
        client = NotebookClient(
            notebook, timeout=TIMEOUT, record_timing=False, resources=resources, extra_arguments=quiet
        )
        notebook = client.execute(env=environment)
    notebook.metadata = metadata  # the kernel adds the version of Python
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise ValueError(f"a cell writes to stderr:\n{output.text}\n{cell.source}")
    return notebook


def joined(outputs: list[Any]) -> list[Any]:
    """What is printed arrives in pieces that depend on how fast the machine is: one piece for each stretch."""
    whole: list[Any] = []
    for output in outputs:
        if whole and output.output_type == whole[-1].output_type == "stream" and output.name == whole[-1].name:
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def write(name: str, notebook: Any) -> None:
    import nbformat

    write_atomically(FOLDER / f"{name}.ipynb", nbformat.writes(notebook) + "\n")
    for cell in notebook.cells:
        if "figure" in cell.metadata.get("tags", []):
            pictures = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
            (FOLDER / f"{name}.png").write_bytes(base64.b64decode(pictures[-1]))


def stale(name: str) -> str | None:
    """Why the .ipynb is not what its script is now, or None if it is."""
    import nbformat

    path = FOLDER / f"{name}.ipynb"
    if not path.is_file():
        return "it was never executed"
    script, notebook = read(name), nbformat.read(path, as_version=4)
    if [(cell.cell_type, cell.source) for cell in script.cells] != [
        (cell.cell_type, cell.source) for cell in notebook.cells
    ]:
        return "the script has changed since"
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in codes] != list(range(1, len(codes) + 1)):
        return "its cells were not executed one after another"
    if any(output.output_type == "error" for cell in codes for output in cell.outputs):
        return "a cell failed"
    return None


if __name__ == "__main__":
    sys.exit(main())
