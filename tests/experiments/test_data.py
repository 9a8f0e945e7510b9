"""The list of data sets: what it says of those that are there and of those that are not."""

import numpy as np
import pytest

import alfi.data
from alfi.data.facts import missing
from alfi.data.root import data_root
from experiments.data import main

MINE = (
    *("bach", "breast_cancer", "breastmnist", "digits", "digits_long_tailed", "ham10000"),
    *("idrid", "isic2017", "messidor", "pneumoniamnist"),
)


def test_every_name_is_told_with_task_size_licence_citation_and_source(tmp_path):
    known = {facts.name: facts for facts in alfi.data.describe(root=tmp_path)}
    assert tuple(known) == alfi.data.names(root=tmp_path)
    for name in MINE:
        facts = known[name]
        assert all((facts.task, facts.size, facts.licence, facts.citation)), name
        assert bool(facts.files) == bool(facts.source) == bool(missing(facts, tmp_path)), name
        assert "https://" in facts.source or not facts.files, name


def test_a_missing_file_of_the_facts_is_the_one_that_load_misses(tmp_path):
    for facts in alfi.data.describe(root=tmp_path):
        if facts.name in MINE and facts.files:
            with pytest.raises(FileNotFoundError) as error:
                alfi.data.load(facts.name, root=tmp_path)
            assert any(pattern.rstrip("*") in str(error.value) for pattern in facts.files), facts.name
            assert facts.source in str(error.value)


def test_list(tmp_path, capsys):
    (tmp_path / "medmnist").mkdir()
    (tmp_path / "medmnist" / "breastmnist_64.npz").touch()
    (tmp_path / "ham10000").mkdir()
    (tmp_path / "ham10000" / "HAM10000_metadata.csv").touch()
    assert main(["--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    rows = {line.split()[0]: line for line in reversed(shown.splitlines()) if line and not line.startswith(" ")}
    for name, there in {"digits": "bundled", "breastmnist_64": "yes", "ham10000": "in part", "idrid": "no"}.items():
        assert rows[name].removeprefix(name).strip().startswith(there)
    assert "64 px" in rows["breastmnist_64"]
    assert "CC BY-NC 4.0" in rows["ham10000"]
    assert "Tschandl et al., Scientific Data 2018, doi 10.1038/sdata.2018.161: ham10000\n" in shown
    place = shown.split(f"from {_facts('ham10000').source}")[1]
    assert "HAM10000_images_part_1*" in place
    assert "HAM10000_metadata.csv" not in place


def _facts(name):
    return next(facts for facts in alfi.data.describe() if facts.name == name)


def test_one_in_full_with_its_checksum(tmp_path, capsys):
    (tmp_path / "medmnist").mkdir()
    for name in ("breastmnist", "mine"):
        np.savez(tmp_path / "medmnist" / f"{name}.npz", x=np.arange(3))
    assert main(["breastmnist", "mine", "messidor", "--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "not the published 750601b1f35ba3300ea97c75c52ff8f6; it is read all the same" in shown
    assert "none is published for this name" in shown
    assert f"missing   {tmp_path}/messidor/Base11" in shown
    assert "https://www.adcis.net" in shown


def test_unknown_name(capsys):
    assert main(["ham-10000"]) == 2
    assert "unknown data set 'ham-10000'. Did you mean 'ham10000'?" in capsys.readouterr().err


@pytest.mark.data
def test_what_is_there_can_be_loaded():
    root = data_root()
    there = {facts.name for facts in alfi.data.describe() if facts.files and not missing(facts, root)}
    if not there:
        pytest.skip(f"no data under {root}")
    for name in there & {"breastmnist", "idrid", "pneumoniamnist"}:
        assert len(alfi.data.load(name).x)
