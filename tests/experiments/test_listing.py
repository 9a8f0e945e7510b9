"""`--list`: every strategy, said by its own docstring."""

import pytest

from alfi import strategies
from experiments import listing, run

NAMES = [name for name in strategies.__all__ if name not in ("compose", "deep_ensemble")]


def test_every_strategy_is_listed_with_a_summary_in_one_line():
    assert [entry.name for entry in listing.entries()] == NAMES
    for entry in listing.entries():
        assert entry.summary.endswith("."), entry.name
        assert len(entry.summary) < 130, entry.name
        assert "Tasks:" not in entry.summary, entry.name
        assert entry.tasks, entry.name


@pytest.mark.parametrize(
    ("name", "tasks", "needs", "source"),
    [
        ("random", "any", "–", "–"),
        ("badge", "classification", "a trained model", "Ash et al. 2020, arXiv 1906.03671."),
        ("gs_y", "regression", "a trained model", "Wu, Lin & Huang 2019, doi 10.1016/j.ins.2018.09.060."),
    ],
)
def test_facts_are_those_of_the_docstring(name, tasks, needs, source):
    entry = listing.entry(name)
    assert (entry.tasks, entry.needs, entry.source) == (tasks, needs, source)


def test_a_strategy_that_says_nothing_is_for_any_task(monkeypatch):
    def silent(model, likelihood):
        """Asks for nothing."""

    monkeypatch.setattr(strategies, "silent", silent, raising=False)
    assert listing.entry("silent") == ("silent", "Asks for nothing.", "any", "–", "–")


def test_the_command_prints_them_all(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        run.main(["--list"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in NAMES)
