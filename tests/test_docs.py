"""Every example in a docstring and in the README runs. As users have it: in float32."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import jax
import pytest

import alfi

MODULES = sorted(module.name for module in pkgutil.walk_packages(alfi.__path__, "alfi."))
README = Path(__file__).parents[1] / "README.md"
BLOCKS = (
    re.findall(r"^```(?:python|pycon)\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    if README.exists()
    else []
)


# Most of these compile something: the largest packages are for `make test-slow`.
LATER = ("alfi.criteria.", "alfi.fisher.", "alfi.design.", "alfi.selection.", "alfi.strategies.", "alfi.models.")
LATER += (
    "alfi.initial.",
    "alfi.embeddings",
    "alfi.data.",
    "alfi.augment",
    "alfi.losses",
    "alfi.descent",
    "alfi.certified",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name.startswith(LATER) else name for name in MODULES]
)
def test_examples_of(name):
    with jax.enable_x64(False):
        failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert not failed


@pytest.mark.skipif(not BLOCKS, reason="no README.md with Python in it")
def test_the_readme_runs(tmp_path, monkeypatch):
    """All blocks in their order, as one program."""
    monkeypatch.chdir(tmp_path)
    names = {}
    with jax.enable_x64(False):
        for block in BLOCKS:
            if block.lstrip().startswith(">>>"):
                example = doctest.DocTestParser().get_doctest(block, names, "README.md", str(README), 0)
                assert not doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, clear_globs=False).failed
                names = example.globs
            else:
                exec(compile(block, str(README), "exec"), names)
