import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from alfi.models import chunked, from_function, from_linen, from_nnx, mlp
from alfi.typing import Variables


class Net(nnx.Module):
    """Batch normalisation and dropout, each drawn as its layer likes, and everything a Model may have."""

    def __init__(self, rngs):
        self.first = nnx.Linear(6, 16, rngs=rngs)
        self.norm = nnx.BatchNorm(16, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.other = nnx.Dropout(0.5, rngs=rngs)
        self.second = nnx.Linear(16, 8, rngs=rngs)
        self.head = nnx.Linear(8, 3, rngs=rngs)

    def taps(self, x):
        first = self.dropout(jnp.tanh(self.norm(self.first(x))))
        return {"first": first, "second": self.other(jnp.tanh(self.second(first)))}

    def features(self, x):
        return self.taps(x)["second"]

    def __call__(self, x):
        return self.head(self.features(x))


class LinenNet(linen.Module):
    def setup(self):
        self.first, self.second, self.head = linen.Dense(16), linen.Dense(8), linen.Dense(3)
        self.norm, self.dropout, self.other = linen.BatchNorm(momentum=0.9), linen.Dropout(0.5), linen.Dropout(0.5)

    def features(self, x, train=False, mask=False):
        x = jnp.tanh(self.norm(self.first(x), use_running_average=not train))
        x = self.dropout(x, deterministic=not (train or mask))
        return self.other(jnp.tanh(self.second(x)), deterministic=not (train or mask))

    def __call__(self, x, train=False, mask=False):
        return self.head(self.features(x, train, mask))


LINEN = {
    "features": "features",
    "head": "head",
    "eval_kwargs": {"train": False},
    "train_kwargs": {"train": True},
    "stochastic_kwargs": {"mask": True},
}


def plain(params, x):
    features = plain_features(params, x)
    return features @ params["head"]["kernel"] + params["head"]["bias"][None]


def plain_head(params):
    return params["head"]["kernel"], params["head"]["bias"]


def plain_features(params, x):
    def linear(layer, x):
        return x @ layer["kernel"] + layer["bias"][None]

    x = linear(params["first"], x) / np.sqrt(1 + 1e-5)
    x = x * params["norm"]["scale"][None] + params["norm"]["bias"][None]
    return jnp.tanh(linear(params["second"], jnp.tanh(x)))


X = jnp.asarray(np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32))
KEY = jax.random.key(3)


@pytest.fixture(params=["nnx", "linen"])
def model(request):
    return adapted(request.param)[0]


@pytest.fixture
def variables(model, request):
    return adapted(request.node.callspec.params["model"])[1]


@functools.cache
def adapted(kind):
    model = from_nnx(Net) if kind == "nnx" else from_linen(LinenNet(), **LINEN)
    return model, model.init(jax.random.key(0), X)


def test_nnx_linen_and_function_agree():
    nnx_model, linen_model = from_nnx(Net), from_linen(LinenNet(), **LINEN)
    function = from_function(plain, features=plain_features, head=plain_head)
    of_nnx, of_linen = (model.init(jax.random.key(0), X) for model in (nnx_model, linen_model))
    params = of_nnx.params
    expected = plain(params, X)
    same = Variables(params, of_linen.state)
    for model, values in ((nnx_model, of_nnx), (linen_model, same), (function, Variables(params))):
        assert jnp.allclose(model.apply(values, X), expected, atol=1e-6)
        kernel, bias = model.head(values)
        assert jnp.allclose(model.features(values, X) @ kernel + bias[None], expected, atol=1e-6)


@pytest.mark.parametrize("field", ["apply", "features", "stochastic", "train"])
def test_jit_equals_eager(model, variables, field):
    function = getattr(model, field)
    args = (variables, X) if field in ("apply", "features") else (KEY, variables, X)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), jax.jit(function)(*args), function(*args))


def test_evaluation_rows_are_independent(model, variables):
    rows = [model.apply(variables, X[i : i + 1]) for i in range(len(X))]
    assert jnp.allclose(jnp.concatenate(rows), model.apply(variables, X), atol=1e-6)


def test_one_mask_per_key_for_all_rows(model, variables):
    same = jnp.broadcast_to(X[:1], X.shape)
    stochastic = jax.jit(model.stochastic)
    outputs = stochastic(KEY, variables, same)
    assert jnp.allclose(outputs, outputs[:1], atol=1e-6)
    assert jnp.allclose(stochastic(KEY, variables, X[4:5])[0], stochastic(KEY, variables, X)[4], atol=1e-6)
    several = jax.vmap(lambda key: stochastic(key, variables, X))(jax.random.split(KEY, 64))
    assert several.std(axis=0).min() > 1e-3
    assert not jnp.allclose(several[0], model.apply(variables, X), atol=1e-3)


def test_masks_of_two_layers_differ():
    class Two(nnx.Module):
        def __init__(self, rngs):
            self.one, self.other = nnx.Dropout(0.5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            return jnp.stack([self.one(x), self.other(x), self.other(x)], axis=-1)

    model, x = from_nnx(Two), jnp.ones((1, 4000))
    one, other, again = (model.stochastic(KEY, model.init(KEY, x), x)[0] > 0).T
    for a, b in ((one, other), (other, again)):
        assert abs((a & b).mean() - 0.25) < 0.03  # independent masks


def test_training_updates_batch_statistics_only_in_train(model, variables):
    outputs, state = model.train(KEY, variables, X)
    assert outputs.shape == (12, 3)
    assert jax.tree.structure(state) == jax.tree.structure(variables.state)
    before, after = (jax.tree.leaves(s)[0] for s in (variables.state, state))
    hidden = X @ variables.params["first"]["kernel"] + variables.params["first"]["bias"][None]
    assert jnp.allclose(after, 0.9 * before + 0.1 * hidden.mean(axis=0), atol=1e-6)
    assert not jnp.allclose(model.apply(Variables(variables.params, state), X), model.apply(variables, X))
    other, _ = model.train(jax.random.key(4), variables, X)
    assert not jnp.allclose(outputs, other)


def test_under_scan_vmap_and_derivatives(model):
    """Nothing leaks, nothing is retraced: members of an ensemble trained by scan inside vmap, then differentiated."""
    variables = jax.vmap(lambda key: model.init(key, X))(jax.random.split(KEY, 3))

    def descend(key, variables):
        def step(variables, key):
            def loss(params):
                outputs, state = model.train(key, Variables(params, variables.state), X)
                return (outputs**2).mean(), state

            gradient, state = jax.grad(loss, has_aux=True)(variables.params)
            return Variables(jax.tree.map(lambda p, g: p - 0.1 * g, variables.params, gradient), state), None

        return jax.lax.scan(step, variables, jax.random.split(key, 4))[0]

    with jax.checking_leaks():
        trained = jax.jit(jax.vmap(descend))(jax.random.split(KEY, 3), variables)
    assert jax.tree.map(jnp.shape, trained) == jax.tree.map(jnp.shape, variables)
    member = jax.tree.map(lambda leaf: leaf[0], trained)
    jacobian = jax.jit(jax.jacrev(lambda p: model.apply(Variables(p, member.state), X)))(member.params)
    assert jacobian["head"]["kernel"].shape == (12, 3, 8, 3)


def test_calls_share_one_trace():
    traces = 0

    class Counting(Net):
        def __call__(self, x):
            nonlocal traces
            traces += 1
            return super().__call__(x)

    model = from_nnx(Counting)
    apply = jax.jit(model.apply)
    for seed in range(3):
        apply(model.init(jax.random.key(seed), X), X)
    assert traces == 1


def test_absent_fields_are_none():
    model = from_nnx(lambda rngs: nnx.Linear(6, 2, rngs=rngs))
    assert model.features is model.taps is model.stochastic is model.head is None
    model = from_linen(linen.Dense(2))
    assert model.features is model.taps is model.stochastic is model.head is None
    assert mlp(2).stochastic is None
    assert mlp(2, dropout=0.1).stochastic is not None


def test_function_without_init_says_so():
    with pytest.raises(ValueError, match="init"):
        from_function(plain).init(KEY, X)


def test_double_precision_inputs_give_double_precision_parameters(model):
    x = X.astype(jnp.float64)
    variables = model.init(KEY, x)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float64")}
    outputs, state = model.train(KEY, variables, x)
    assert outputs.dtype == jnp.float64
    assert jax.tree.map(lambda a: a.dtype, state) == jax.tree.map(lambda a: a.dtype, variables.state)
    assert {leaf.dtype for leaf in jax.tree.leaves(model.init(KEY, X))} == {jnp.dtype("float32")}


@pytest.mark.slow
@pytest.mark.parametrize("chunk_size", [1, 5, 12, 100, None])
def test_chunked_equals_whole(model, variables, chunk_size):

    @jax.jit
    def everything(variables, x):
        parts = chunked(model, chunk_size)
        return [
            (m.apply(variables, x), m.features(variables, x), m.stochastic(KEY, variables, x)) for m in (parts, model)
        ]

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), *everything(variables, X))


def test_chunked_refuses_no_rows(model):
    with pytest.raises(ValueError, match="chunk_size"):
        chunked(model, 0)
