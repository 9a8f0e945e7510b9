"""A program, not a test: picks over 8 virtual devices and over one, and what moves between the devices.

Prints one JSON object. Run by test_sharding.py in a process of its own, as the number of devices is fixed at the start.
"""

import functools
import json
import re

import jax

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_platforms", "cpu")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.sharding import AxisType, NamedSharding, PartitionSpec  # noqa: E402

from alfi import criteria, selection, testing  # noqa: E402

N, BATCH = 4096, 6  # far more rows than the chunks that `information` and `min_distance` gather


def last_layer(seed):
    return testing.last_layer(jax.random.key(seed), N, 2, 2, 3, dtype=np.float32)


def dense(seed):
    return testing.dense(jax.random.key(seed), N, 2, 5, np.float32)


greedy = selection.greedy()
# name: (rule, criterion, data)
CASES = {
    "greedy d_optimal, last layer": (greedy, criteria.d_optimal(), last_layer(0)),
    "greedy d_optimal, dense": (greedy, criteria.d_optimal(), dense(1)),
    "greedy v_optimal, last layer": (greedy, criteria.v_optimal(), last_layer(2)),
    "greedy v_optimal, dense": (greedy, criteria.v_optimal(), dense(3)),
    "greedy min_distance, last layer": (greedy, criteria.min_distance(), last_layer(4)),
    "greedy min_distance, dense": (greedy, criteria.min_distance(), dense(5)),
    "forward_backward v_optimal, last layer": (selection.forward_backward(), criteria.v_optimal(), last_layer(6)),
    "sample min_distance, last layer": (selection.sample(), criteria.min_distance(), last_layer(7)),
}
COLLECTIVE = re.compile(r"= (.*?) (all-gather|all-to-all|all-reduce|collective-permute|reduce-scatter)[\w-]*\(")
SHAPE = re.compile(r"\w+\[([\d,]*)\]")


@functools.partial(jax.jit, static_argnames="rule")
def select(rule, criterion, data, weights, available, population):
    return rule(jax.random.key(0), criterion, data, weights, available, BATCH, population=population)


def communicated(program: str) -> dict[str, int]:
    """Numbers in the largest array that each kind of collective operation produces."""
    largest = {}
    for shapes, kind in COLLECTIVE.findall(program):
        sizes = [int(np.prod([int(d) for d in dims.split(",") if d])) for dims in SHAPE.findall(shapes)]
        largest[kind] = max(largest.get(kind, 0), *sizes)
    return largest


def main():
    mesh = jax.make_mesh((8,), ("pool",), axis_types=(AxisType.Auto,))
    over_pool = NamedSharding(mesh, PartitionSpec("pool"))
    labelled = np.arange(N) % 500 == 3
    report = {}
    for name, (rule, criterion, data) in CASES.items():
        arguments = data, jnp.asarray(labelled, jnp.float32), jnp.asarray(~labelled), jnp.ones(N, jnp.float32)
        spread = jax.device_put(arguments, over_pool)
        program = select.lower(rule, criterion, *spread).compile()
        report[name] = {
            "one": select(rule, criterion, *arguments).indices.tolist(),
            "eight": program(criterion, *spread).indices.tolist(),
            "communicated": communicated(program.as_text()),
        }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
