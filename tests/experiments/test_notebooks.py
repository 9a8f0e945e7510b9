"""The notebooks run, and what is committed is what they gave."""

import os
import re
import subprocess
import sys

import nbformat
import pytest

from experiments import notebooks

NAMES = notebooks.names()


def test_there_are_notebooks():
    assert {"design_a_criterion", "fisher_spectra"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_is_its_script_executed(name):
    assert (reason := notebooks.stale(name)) is None, f"{name}.ipynb: {reason}; run `make notebooks`"


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_is_small_and_tells_nothing_of_the_machine(name):
    path = notebooks.FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < 400_000
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"jupytext", "kernelspec", "language_info"}
    assert notebook.metadata["language_info"] == {"name": "python"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "lines_to_next_cell"}
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr"
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert not re.search(r"/\w+/\w+|\d{4}-\d\d-\d\d|0x[0-9a-f]{6}", text), text


def test_a_change_of_the_script_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    script = '# ---\n# jupyter:\n#   jupytext:\n#     formats: ipynb,py:percent\n# ---\n\n# %%\nprint("one")\n'
    (tmp_path / "one.py").write_text(script)
    assert notebooks.stale("one") == "it was never executed"
    notebook = notebooks.read("one")
    notebooks.write("one", notebook)
    assert notebooks.stale("one") == "its cells were not executed one after another"
    notebook.cells[0].execution_count = 1
    notebooks.write("one", notebook)
    assert notebooks.stale("one") is None
    (tmp_path / "one.py").write_text(script.replace("one", "two"))
    assert notebooks.stale("one") == "the script has changed since"


def test_an_unknown_notebook(capsys):
    assert notebooks.main(["nothing"]) == 2
    assert "no notebook nothing; there are design_a_criterion, fisher_spectra" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_runs_small(name):
    """In a process of its own: Jupyter's event loops and warnings are not those of the tests."""
    before = {path: path.stat().st_mtime_ns for path in notebooks.FOLDER.iterdir()}
    command = [sys.executable, "-m", "experiments.notebooks", name, "--tiny"]
    done = subprocess.run(command, cwd=notebooks.ROOT, env=os.environ, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]
    assert {path: path.stat().st_mtime_ns for path in notebooks.FOLDER.iterdir()} == before
