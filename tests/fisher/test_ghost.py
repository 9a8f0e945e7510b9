"""Traces and diagonals without per-example gradients, against those of the Jacobian that holds them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import alfi
from alfi import fisher, likelihoods, models, testing
from alfi.fisher.tracing import trace_layers

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow


class Strided(nnx.Module):
    """Convolutions with all that a convolution can have, batch normalisation, and a grouped one that is no layer."""

    def __init__(self, rngs):
        self.first = nnx.Conv(2, 4, (3, 2), strides=(2, 1), padding="VALID", rngs=rngs)
        self.second = nnx.Conv(
            4, 4, (2, 3), padding=((1, 0), (2, 2)), kernel_dilation=(1, 2), input_dilation=(2, 1), rngs=rngs
        )
        self.grouped = nnx.Conv(4, 4, (3, 3), feature_group_count=2, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        x = self.norm(self.second(jnp.tanh(self.first(x))))
        return self.head(jnp.tanh(self.grouped(x)).mean(axis=(1, 2)))


def unusual():
    """A tied kernel, one before its input, one used elementwise, one in a scan, and one that is not used."""

    def apply(params, x):
        h = jnp.tanh(x @ params["tied"])
        h = jnp.tanh(h @ params["tied"].T)
        h = jnp.tanh(jnp.swapaxes(params["before"] @ h.T, 0, 1))
        h = h * (1 + params["elementwise"] ** 2)[None]
        h, _ = jax.lax.scan(lambda h, kernel: (jnp.tanh(h @ kernel), None), h, params["scanned"])
        return h @ params["head"].reshape(3, 2)

    def init(key, x):
        shapes = {
            "tied": (2, 4),
            "before": (3, 2),
            "elementwise": (3,),
            "scanned": (2, 3, 3),
            "head": (6,),
            "not": (2,),
        }
        return {name: jax.random.normal(key, shape, x.dtype) for name, shape in shapes.items()}

    return models.from_function(apply, init=init)


# name: (model, shape of one row of x, number of layers to be found)
NETWORKS = {
    "mlp": (models.mlp(3, hidden=(5, 4)), (6,), 3),
    "cnn": (models.cnn(3, channels=(3,)), (5, 4, 2), 2),
    "strided": (models.from_nnx(Strided), (7, 6, 2), 3),
    "linen": (models.from_linen(linen.Sequential([linen.Dense(4), jnp.tanh, linen.Dense(2)])), (3,), 2),
    "sites": (testing.network(3), (2, 2, 2), 2),
    "unusual": (unusual(), (2,), 2),
}
networks = pytest.mark.parametrize("name", NETWORKS)


@functools.cache
def problem(name, dtype=float):
    model, shape, _ = NETWORKS[name]
    x = testing.normal(jax.random.key(1), (4, *shape), dtype)
    return model, jax.jit(model.init)(jax.random.key(2), x), x


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "linen"])  # to the program it is another mlp
def test_trace_and_diagonal_are_those_of_the_jacobian(name, close):
    likelihood = likelihoods.categorical()
    model, variables, x = problem(name)
    weights = jnp.asarray([1.0, 0.0, 0.5, 2.0])

    @jax.jit
    def all_three(variables, x):
        factors = fisher.jacobian(model.apply, likelihood)(jax.random.key(0), alfi.Fitted(variables), alfi.pool(x))
        traces = fisher.ghost_traces(model.apply, likelihood, variables, x, chunk_size=3)
        return factors.array, traces, fisher.ghost_diagonal(model.apply, likelihood, variables, x, weights=weights)

    array, traces, diagonal = all_three(variables, x)
    each = np.sum(np.square(array), axis=1)  # [n, p]
    close(diagonal, np.asarray(weights) @ each)
    leaves = jax.tree_util.tree_flatten_with_path(variables.params)[0]
    ends = np.cumsum([0] + [leaf.size for _, leaf in leaves])
    for (path, _), start, stop in zip(leaves, ends[:-1], ends[1:], strict=True):
        close(traces[jax.tree_util.keystr(path)], each[:, start:stop].sum(axis=1), scale=float(each.sum(axis=1).max()))


@networks
def test_layers_are_found(name):
    """Else the numbers would be right all the same, by way of per-example gradients."""
    model, variables, x = problem(name)
    leaves, tree = jax.tree.flatten(variables.params)

    def apply(leaves, row):
        return model.apply(variables._replace(params=jax.tree.unflatten(tree, leaves)), row[None])[0]

    assert len(trace_layers(apply, leaves, x[0], [True] * len(leaves)).layers) == NETWORKS[name][2]


def test_no_array_holds_the_gradients_of_several_examples():
    """In the compiled program: 64 examples of a layer of 200 x 300, whose gradients would be 64 x 200 x 300 numbers."""
    model = models.mlp(2, hidden=(300,))
    x = jnp.ones((64, 200), jnp.float32)
    variables = model.init(jax.random.key(0), x)
    traces = functools.partial(fisher.ghost_traces, model.apply, likelihoods.categorical())
    memory = jax.jit(traces).lower(variables, x).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 4 * 64 * 200 * 300 / 5


def test_a_part_of_the_parameters(close):
    model, variables, x = problem("mlp")
    likelihood = likelihoods.categorical()
    head = fisher.layers(variables)["['head']"]
    traces = jax.jit(functools.partial(fisher.ghost_traces, model.apply, likelihood, parameters=head))(variables, x)
    assert list(traces) == ["['head']['bias']", "['head']['kernel']"]
    # A softmax's closed form: |(features, 1)|^2 (1 - |p|^2).
    p, features = jax.nn.softmax(model.apply(variables, x)), model.features(variables, x)
    close(sum(traces.values()), (1 + jnp.sum(features**2, axis=1)) * (1 - jnp.sum(p**2, axis=1)))
    assert fisher.ghost_diagonal(model.apply, likelihood, variables, x, parameters=head).shape == (
        sum(leaf.size for leaf in variables.params["head"].values()),
    )


def test_float32_stays_float32_and_agrees_with_float64(close):
    model, variables, x = problem("mlp", np.float32)
    double = jax.tree.map(lambda leaf: leaf.astype(np.float64), (variables, x))
    results = []
    for fitted, inputs in ((variables, x), double):
        traces, diagonal = (
            jax.jit(functools.partial(function, model.apply, likelihoods.categorical()))(fitted, inputs)
            for function in (fisher.ghost_traces, fisher.ghost_diagonal)
        )
        assert {leaf.dtype for leaf in (*traces.values(), diagonal)} == {inputs.dtype}
        results.append((np.asarray(sum(traces.values())), np.asarray(diagonal)))
    for single, double in zip(*results, strict=True):
        close(single, double.astype(np.float32), loss=100)


def test_no_parameters_names_those_there_are():
    model, variables, x = problem("mlp")
    with pytest.raises(ValueError, match=r"no parameter satisfies.*\['head'\]\['kernel'\]"):
        fisher.ghost_traces(model.apply, likelihoods.categorical(), variables, x, parameters=lambda path: False)
