"""The matrix-free designs of a softmax layer against dense algebra."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, design, fisher, likelihoods, testing
from alfi.fisher import BlockFactors, SoftmaxLayer

N, C, D = 30, 4, 3
LABELLED = (np.arange(N) < 4).astype(float)
PRIOR = jnp.asarray(0.3)


@functools.cache
def layer():
    f = 2 * testing.normal(jax.random.key(0), (N, C))
    return SoftmaxLayer(jax.nn.softmax(f), testing.normal(jax.random.key(1), (N, D)))


@functools.cache
def each():
    """``F_i`` of every example, [n, c d, c d]."""
    p, x = (np.asarray(part) for part in layer())
    outputs = np.einsum("nk,kl->nkl", p, np.eye(C)) - np.einsum("nk,nl->nkl", p, p)
    return np.einsum("nkl,nd,ne->nkdle", outputs, x, x).reshape(N, C * D, C * D)


def test_products_forms_and_blocks_are_those_of_the_matrix(close):
    w, v = np.linspace(0, 2, N), np.asarray(testing.normal(jax.random.key(2), (C, D)))
    m = np.einsum("n,npq->pq", w, each())
    close(layer().product(jnp.asarray(w), jnp.asarray(v)).ravel(), m @ v.ravel())
    close(layer().form(jnp.asarray(v)), np.einsum("p,npq,q->n", v.ravel(), each(), v.ravel()))
    blocks = np.stack([m.reshape(C, D, C, D)[k, :, k] for k in range(C)])
    close(layer().blocks(jnp.asarray(w)), blocks)


def test_a_softmax_layer_is_the_last_layer(close):
    model, likelihood = testing.network(C), likelihoods.categorical()
    pool = alfi.pool(testing.normal(jax.random.key(3), (7, 5)))
    fitted = alfi.Fitted(model.init(jax.random.key(4), pool.x))
    layer = fisher.softmax_layer(model, likelihood)(jax.random.key(0), fitted, pool)
    factors = fisher.last_layer(model, likelihood._replace(contrasts=None))(jax.random.key(0), fitted, pool)
    v, w = testing.normal(jax.random.key(5), (C, 5)), jnp.ones(7)
    close(layer.product(w, v).ravel(), factors.information(w) @ v.ravel())
    with pytest.raises(ValueError, match="categorical"):
        fisher.softmax_layer(model, likelihoods.gaussian())


def test_probes_have_the_covariance_of_the_information():
    w = jnp.asarray(np.linspace(0, 2, N) / N)
    draws = jax.jit(jax.vmap(lambda key: layer().draw(key, w).ravel()))(jax.random.split(jax.random.key(0), 20000))
    expected = np.einsum("n,npq->pq", np.asarray(w), each())
    assert np.abs(np.asarray(draws).T @ np.asarray(draws) / 20000 - expected).max() < 0.05 * expected.max()


@functools.cache
def probes():
    keys = jax.random.split(jax.random.key(1), 6)
    return jax.jit(jax.vmap(lambda key: layer().draw(key, jnp.full(N, 1 / N))))(keys)


def test_conjugate_gradients_solve(close):
    solved = design.solve_probes(layer(), jnp.asarray(LABELLED), PRIOR, probes(), jnp.zeros_like(probes()), 60)
    m = float(PRIOR) * np.eye(C * D) + np.einsum("n,npq->pq", LABELLED, each())
    roots = np.asarray(probes()).reshape(6, -1)
    close(solved.kernels.reshape(6, -1), np.linalg.solve(m, roots.T).T, loss=1e7)
    close(solved.value, np.sum(roots * np.linalg.solve(m, roots.T).T) / 6, loss=1e7)


def test_relaxation_is_the_optimal_design_for_these_probes():
    """The probes are a root of L: linear optimality, which ``design.solve`` certifies."""
    factors = fisher.DenseFactors(jnp.asarray(np.linalg.cholesky(each() + 1e-13 * np.eye(C * D)).transpose(0, 2, 1)))
    root = np.asarray(probes()).reshape(6, -1).T / np.sqrt(6)
    criterion = criteria.l_optimal(root=root, prior_precision=float(PRIOR))
    weights, available = jnp.asarray(LABELLED), jnp.asarray(LABELLED == 0)
    best = jax.jit(lambda: design.solve(criterion, factors, weights=weights, budget=5.0))()
    z = jax.jit(design.relax, static_argnums=(4, 6, 7))(layer(), weights, available, probes(), 5, PRIOR, 300, 40)
    np.testing.assert_allclose(z.sum(), 5)
    assert float(z.max()) <= 1 + 1e-9
    assert np.all(np.asarray(z)[LABELLED > 0] == 0)
    m = float(PRIOR) * np.eye(C * D) + np.einsum("n,npq->pq", LABELLED + np.asarray(z), each())
    value = -np.trace(np.linalg.solve(m, root @ root.T))
    assert value <= float(best.bound) + 1e-9
    assert value >= float(best.bound) - 2e-3 * abs(value)


@pytest.mark.slow
@pytest.mark.parametrize("eta", [1.0, 10.0])
def test_block_rounding_is_regret_minimisation_of_block_factors(eta):
    p, x = layer()
    blocks = BlockFactors(jnp.sqrt(p * (1 - p))[:, :, None, None] * x[:, None, None, :])
    weights, available = jnp.asarray(LABELLED), jnp.asarray(LABELLED == 0)
    z = jnp.where(available, 6 / (N - 4), 0.0)
    information = blocks.information(weights) + PRIOR * jnp.eye(C * D)
    eta = jnp.asarray(eta)
    expected = jax.jit(design.regret, static_argnums=4)(blocks, information, z, available, 6, eta)
    picked = jax.jit(design.block_regret, static_argnums=4)(layer(), weights, z, available, 6, eta, PRIOR)
    assert picked.tolist() == expected.tolist()
    groups = jnp.arange(N) // 6
    apart = jax.jit(design.block_regret, static_argnums=4)(layer(), weights, z, available, 5, eta, PRIOR, groups)
    assert len({int(i) // 6 for i in apart if i < N}) == 5
