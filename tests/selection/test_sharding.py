"""A pool over eight devices: the same picks as on one, and nothing of pool size travels between devices."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("sharded.py")
N = 4096
CASES = [
    "greedy d_optimal, last layer",
    "greedy d_optimal, dense",
    "greedy v_optimal, last layer",
    "greedy v_optimal, dense",
    "greedy min_distance, last layer",
    "greedy min_distance, dense",
    "forward_backward v_optimal, last layer",
    "sample min_distance, last layer",
]
pytestmark = pytest.mark.devices


@functools.cache
def report():
    # NPROC: XLA must have a thread for each virtual device, or its collectives wait for ever on a small machine.
    environment = os.environ | {"NPROC": "16", "PYTHONPATH": str(PROGRAM.parents[2])}
    done = subprocess.run([sys.executable, PROGRAM], env=environment, timeout=240, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_every_case_is_tested():
    assert list(report()) == CASES


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_eight_devices_pick_what_one_picks(case):
    result = report()[case]
    assert result["eight"] == result["one"]
    assert len(set(result["one"])) == 6


@pytest.mark.parametrize("case", CASES)
def test_no_array_of_pool_size_is_communicated(case):
    """A vector over the pool may be gathered (to sort it); factors and state [r, r, n] may not."""
    communicated = report()[case]["communicated"]
    assert communicated, "the program was not compiled for several devices"
    assert max(communicated.values()) < 2 * N
