"""`experiments.fit`: a network on a whole training split, its record, and what it says of bad input."""

import json

import numpy as np
import pytest

import alfi
from experiments import fit
from experiments.fit import Fit


def small(**changes):
    options = {
        "data": "digits",
        "model": lambda dataset: alfi.models.mlp(10, hidden=(32,)),
        "likelihood": alfi.likelihoods.categorical(),
        "metrics": {"accuracy": alfi.metrics.accuracy},
        "steps": 150,
        "learning_rate": 1e-2,
        "yardstick": lambda dataset: {"majority": float(np.bincount(dataset.y[dataset.split == "test"]).max())},
    }
    return Fit(**{**options, **changes})


@pytest.fixture
def digits(monkeypatch):
    import experiments.fits.cdmam

    monkeypatch.setattr(experiments.fits.cdmam, "get_fit", small)


def test_it_learns_and_writes_what_it_found(digits, tmp_path, capsys):
    assert fit.main(["cdmam", "--seeds", "2", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "fits" / "cdmam.json").read_text())
    accuracies = [run["accuracy"] for run in record["runs"]]
    assert min(accuracies) > 0.9
    assert accuracies[0] != accuracies[1]
    assert record["data"] == {"name": "digits"}
    assert record["yardstick"]["majority"] > 0
    assert f"accuracy {np.mean(accuracies):.4g}" in capsys.readouterr().out


def test_a_training_that_fails_is_told(digits):
    with pytest.raises(ValueError, match="smaller learning rate"):
        fit.fit(small(learning_rate=1e12, metrics={"nll": alfi.metrics.nll}, steps=50), 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cdman"], "Did you mean 'cdmam'"),
        (["cdmam", "--seeds", "0"], "seeds >= 1"),
        (["cdmam", "--steps", "70"], "multiple of 50"),
    ],
)
def test_bad_input_is_one_line(arguments, message, digits, capsys):
    assert fit.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_every_file_is_a_fit():
    for name in fit.names():
        module = __import__(f"experiments.fits.{name}", fromlist=["get_fit"])
        assert isinstance(module.get_fit(), Fit)
        assert f"experiments.fit {name}" in module.__doc__
