"""Initial sets by configuration: one choice for each seed, nothing computed twice, complaints before compilation."""

import dataclasses
import typing

import numpy as np
import pytest

import alfi
from experiments import initial_sets, run
from experiments.config import Config, default

IMAGES = np.random.default_rng(0).integers(0, 255, (30, 16, 16, 1), dtype=np.uint8)
LABELS = np.arange(30) % 3
CONFIG = dataclasses.replace(default("quickstart", "digits"), seeds=3, initial=5)
SETS = typing.get_args(typing.get_type_hints(Config)["initial_set"])


def draw(**changes):
    x = (IMAGES / 255).astype(np.float32)
    return initial_sets.draw(dataclasses.replace(CONFIG, **changes), IMAGES, x, LABELS, alfi.models.mlp(3, hidden=(8,)))


LATER = ("farthest", "k_means", "typiclust", "prob_cover")  # tested in tests/initial; here, that they can be named


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LATER else n for n in SETS])
def test_every_initial_set_can_be_named(name):
    assert name in alfi.initial.__all__
    sets = draw(initial_set=name)
    assert sets.shape == (3, 5)
    assert all(len(set(rows)) == 5 and set(rows) <= set(range(30)) for rows in sets.tolist())
    if name not in ("typiclust", "k_means", "prob_cover"):  # of few random numbers
        assert len({tuple(rows) for rows in sets.tolist()}) == 3


@pytest.mark.parametrize("name", ["inputs", "network"])
def test_other_embeddings_can_be_named(name):
    assert draw(initial_set="k_center", initial_embedding=name).shape == (3, 5)


def test_descriptors_are_computed_once_for_all_seeds(monkeypatch):
    calls, real = [], alfi.initial.descriptors
    monkeypatch.setattr(alfi.initial, "descriptors", lambda images: calls.append(images) or real(images))
    draw(initial_set="orb")
    assert len(calls) == 1
    assert calls[0] is IMAGES


def test_random_sets_are_the_ones_of_earlier_reports():
    expected = np.random.default_rng(2).choice(30, 5, replace=False)
    np.testing.assert_array_equal(draw()[2], expected)


def test_orb_of_vectors_is_a_clear_error(tmp_path, capsys):
    assert run.main(["quickstart", "--initial-set", "orb", "--out", str(tmp_path)]) == 2
    assert "ORB needs images" in capsys.readouterr().err
