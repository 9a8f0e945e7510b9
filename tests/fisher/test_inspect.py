"""The Fisher form and its maps against closed forms, the dense matrix, and the published finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import alfi
from alfi import fisher, likelihoods, models, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

LIKELIHOOD = likelihoods.categorical()


@functools.cache
def problem(sites=(), dtype=float):
    model, x = testing.network(3), testing.normal(jax.random.key(1), (5, *sites, 2), dtype)
    return model, jax.jit(model.init)(jax.random.key(2), x), x


def towards(model, variables, x):
    """v of every input, by its definition."""
    theta, rebuild = ravel_pytree(variables.params)

    def log_p(theta, row, label):
        logs = jax.nn.log_softmax(model.apply(variables._replace(params=rebuild(theta)), row[None])[0])
        return jnp.sum(jnp.take_along_axis(logs, label[..., None], axis=-1))

    labels = jnp.argmax(model.apply(variables, x), axis=-1)
    return np.asarray(jax.jit(jax.vmap(jax.grad(log_p), (None, 0, 0)))(theta, x, labels))


@pytest.mark.parametrize("sites", [(), (2, 2)], ids=["1 site", "2 x 2 sites"])
def test_forms_are_those_of_the_dense_matrix(sites, close):
    model, variables, x = problem(sites)
    matrices = np.asarray(testing.network_fisher(
        lambda params, x: model.apply(alfi.Variables(params), x), LIKELIHOOD, testing.every_class, variables.params, x
    ))  # fmt: skip
    v = towards(model, variables, x)
    form = jax.jit(functools.partial(fisher.fisher_form, model.apply, LIKELIHOOD, chunk_size=2))(variables, x)
    close(form, np.einsum("np,npq,nq->n", v, matrices, v))
    blocks = jax.jit(functools.partial(fisher.fisher_form_blocks, model.apply, LIKELIHOOD, chunk_size=2))(variables, x)
    leaves = jax.tree_util.tree_flatten_with_path(variables.params)[0]
    ends = np.cumsum([0] + [leaf.size for _, leaf in leaves])
    for (path, _), a, b in zip(leaves, ends[:-1], ends[1:], strict=True):
        expected = np.einsum("np,npq,nq->n", v[:, a:b], matrices[:, a:b, a:b], v[:, a:b])
        close(blocks[jax.tree_util.keystr(path)], expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_closed_form_of_a_last_layer(dtype, close):
    """``|phi|^4 e^T (diag p - p p^T) e`` with ``e = e_y^ - p``, and the trace ``|phi|^2 (1 - |p|^2)``."""
    model, variables, x = problem((), dtype)
    variables = jax.tree.map(lambda leaf: leaf.astype(dtype), variables)
    head = fisher.layers(variables)["['head']"]
    form = jax.jit(functools.partial(fisher.fisher_form, model.apply, LIKELIHOOD, parameters=head))(variables, x)
    traces = jax.jit(functools.partial(fisher.ghost_traces, model.apply, LIKELIHOOD, parameters=head))(variables, x)
    p = np.asarray(jax.nn.softmax(model.apply(variables, x)), float)
    squared = 1 + np.sum(np.asarray(model.features(variables, x), float) ** 2, axis=1)
    e = np.eye(3)[p.argmax(axis=1)] - p
    assert form.dtype == dtype
    close(form, (squared**2 * (np.sum(p * e**2, axis=1) - np.sum(p * e, axis=1) ** 2)).astype(dtype), loss=100)
    close(sum(traces.values()), (squared * (1 - np.sum(p**2, axis=1))).astype(dtype), loss=100)


def test_published_central_differences(close):
    """Two evaluations of the outputs: with all tensors moved at once the form, one tensor at a time its blocks."""
    model, eps = models.mlp(3, hidden=()), 1e-4
    x = testing.normal(jax.random.key(3), (5, 4))
    variables = jax.jit(model.init)(jax.random.key(4), x)
    theta, rebuild = ravel_pytree(variables.params)
    v = towards(model, variables, x)
    probabilities = jax.jit(
        lambda theta, row: jax.nn.softmax(model.apply(variables._replace(params=rebuild(theta)), row[None])[0])
    )

    def difference(row, v):
        up, down = (np.asarray(probabilities(theta + sign * eps * v, row)) for sign in (1, -1))
        return np.sum((np.log(up) - np.log(down)) * (up - down)) / (2 * eps) ** 2

    full = [difference(row, v) for row, v in zip(x, v, strict=True)]
    is_bias = np.arange(len(theta)) < 3
    block = [sum(difference(row, v * part) for part in (is_bias, ~is_bias)) for row, v in zip(x, v, strict=True)]
    form, blocks = (
        jax.jit(functools.partial(function, model.apply, LIKELIHOOD))(variables, x)
        for function in (fisher.fisher_form, fisher.fisher_form_blocks)
    )
    np.testing.assert_allclose(form, full, rtol=1e-5)
    np.testing.assert_allclose(sum(blocks.values()), block, rtol=1e-5)
    assert not np.allclose(full, block, rtol=0.05)


@pytest.mark.parametrize("against", ["rest", "all"])
def test_maps_are_products_of_second_differences(against):
    model, variables, x = problem()
    theta, rebuild = ravel_pytree(variables.params)
    v, eps = towards(model, variables, x), 1e-4
    labels = jnp.argmax(model.apply(variables, x), axis=1)

    def probabilities(theta, row, label):
        p = jax.nn.softmax(model.apply(variables._replace(params=rebuild(theta)), row[None])[0])
        return p if against == "all" else jnp.stack([p[label], 1 - p[label]])

    gradient = jax.jit(jax.vmap(jax.jacfwd(probabilities, argnums=1), (0, 0, 0)))
    log_gradient = jax.jit(jax.vmap(jax.jacfwd(lambda *a: jnp.log(probabilities(*a)), argnums=1), (0, 0, 0)))
    moved = [theta[None] + sign * eps * v for sign in (1, -1)]
    of_p, of_log = ((g(moved[0], x, labels) - g(moved[1], x, labels)) / (2 * eps) for g in (gradient, log_gradient))
    expected = np.sum(of_p * of_log, axis=1)
    maps = jax.jit(lambda v, x: fisher.sensitivity_map(model.apply, v, x, against=against, chunk_size=2))(variables, x)
    assert maps.shape == x.shape
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_convolutional_network_and_an_image(close):
    model, x = models.cnn(3, channels=(2,)), testing.normal(jax.random.key(1), (3, 4, 4, 1))

    @jax.jit
    def run(x):
        variables = model.init(jax.random.key(0), x)
        factors = fisher.jacobian(model.apply, LIKELIHOOD)(jax.random.key(0), alfi.Fitted(variables), alfi.pool(x))
        form = fisher.fisher_form(model.apply, LIKELIHOOD, variables, x)
        return variables, fisher.sensitivity_map(model.apply, variables, x), form, factors.array

    variables, maps, form, array = run(x)
    close(form, np.sum(np.einsum("nrp,np->nr", array, towards(model, variables, x)) ** 2, axis=1))
    assert maps.shape == x.shape
    assert np.all(np.isfinite(maps))


def test_bad_input_is_refused():
    model, variables, x = problem()
    with pytest.raises(ValueError, match="'rest' or 'all'; got 'both'"):
        fisher.sensitivity_map(model.apply, variables, x, against="both")
    with pytest.raises(ValueError, match="real numbers; got int"):
        fisher.sensitivity_map(model.apply, variables, x.astype(int))
    with pytest.raises(ValueError, match="no parameter satisfies"):
        fisher.fisher_form(model.apply, LIKELIHOOD, variables, x, parameters=lambda path: False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_adversarial_digits_are_told_apart_as_well_as_by_entropy(seed):
    """FGSM-perturbed digits against clean ones: AUROC of the Fisher form, and its paired difference to the entropy's.

    Both tell them apart. No advantage of either is claimed: the difference is small, and its 95 % bootstrap interval
    (over images, a clean one and its perturbed one kept together) is printed by ``pytest -s``.
    """
    optax, metrics = pytest.importorskip("optax"), pytest.importorskip("sklearn.metrics")
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.images))
    images, y = jnp.asarray(digits.images[order] / 16, jnp.float32), jnp.asarray(digits.target[order])
    train, test = slice(0, 900), slice(900, None)
    model = models.mlp(10, hidden=(64,))
    variables = model.init(jax.random.key(seed), images[:1])

    def loss(params, x, y):
        log_p = jax.nn.log_softmax(model.apply(variables._replace(params=params), x))
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    optimiser = optax.adam(1e-2)

    def step(carry, _):
        params, state = carry
        updates, state = optimiser.update(jax.grad(loss)(params, images[train], y[train]), state)
        return (optax.apply_updates(params, updates), state), None

    start = variables.params, optimiser.init(variables.params)
    params = jax.jit(lambda start: jax.lax.scan(step, start, length=200)[0][0])(start)
    variables = variables._replace(params=params)
    clean, labels = images[test], y[test]
    assert np.mean(np.argmax(model.apply(variables, clean), axis=1) == labels) > 0.93
    attacked = jnp.clip(clean + 0.1 * jnp.sign(jax.grad(loss, argnums=1)(params, clean, labels)), 0, 1)

    def scores(x):
        form = jax.jit(functools.partial(fisher.fisher_form, model.apply, LIKELIHOOD))(variables, x)
        return np.stack([form, jax.vmap(LIKELIHOOD.entropy)(model.apply(variables, x))])

    of_clean, of_attacked = scores(clean), scores(attacked)

    def aurocs(rows):
        truth = np.repeat([0, 1], len(rows))
        pairs = zip(of_clean[:, rows], of_attacked[:, rows], strict=True)
        return np.array([metrics.roc_auc_score(truth, np.concatenate(pair)) for pair in pairs])

    whole, draws = aurocs(np.arange(len(clean))), np.random.default_rng(0)
    boot = [aurocs(draws.integers(0, len(clean), len(clean))) for _ in range(500)]
    low, high = np.quantile([a - b for a, b in boot], [0.025, 0.975])
    form, entropy = whole
    print(f"\nAUROC {form:.3f}, of entropy {entropy:.3f}; difference {form - entropy:+.4f} [{low:+.4f}, {high:+.4f}]")
    assert min(form, entropy) > 0.75
    assert abs(form - entropy) < 0.03
    assert high - low < 0.03
