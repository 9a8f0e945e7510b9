"""Stopping diagnostics in an experiment: asked for, they are in every record."""

import json

import numpy as np
import pytest

from experiments import run


@pytest.mark.slow
def test_what_the_next_batch_would_tell_is_recorded_each_round(tmp_path):
    tiny = ["--seeds", "1", "--rounds", "1", "--initial", "12", "--batch-size", "3", "--steps", "20", "--hidden", "8"]
    chosen = ["--strategies", "random", "--contrasts", "--stopping", "--out", str(tmp_path)]
    assert run.main(["quickstart", *tiny, *chosen]) == 0
    rows = [json.loads(line) for line in (tmp_path / "quickstart" / "rounds.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    for row in rows:
        assert 0 < row["diagnostics"]["batch_information"] <= np.log(128)
        assert 0 < row["diagnostics"]["variance_decrease"] < 1
        assert row["diagnostics"]["variance"] > 0
