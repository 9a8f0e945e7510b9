"""Spectra, Lanczos, quadrature and matrix-free products against dense float64 linear algebra."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import fisher, likelihoods, testing

LIKELIHOODS = {"categorical": likelihoods.categorical(), "gaussian": likelihoods.gaussian(0.7)}


def kinds(n=6, dtype=float):
    key = jax.random.key(3)
    return {
        "dense": testing.dense(key, n, 3, 8, dtype),
        "dense, dual": testing.dense(key, n, 2, 30, dtype),
        "last layer": testing.last_layer(key, n, 2, 3, 2, dtype=dtype),
        "last layer, dual": testing.last_layer(key, n, 2, 3, 9, dtype=dtype),
        "last layer, sites": testing.last_layer(key, n, 2, 3, 20, sites=4, dtype=dtype),
    }


KINDS = pytest.mark.parametrize("kind", kinds())
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 0.0, 1.0])


def eigenvalues(matrix):
    return np.linalg.eigvalsh(matrix)[::-1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@KINDS
def test_spectrum_is_that_of_the_information(kind, dtype, close):
    factors = kinds(dtype=dtype)[kind]
    expected = eigenvalues(testing.information(testing.write_out(factors), WEIGHTS))
    values = jax.jit(fisher.spectrum)(factors, jnp.asarray(WEIGHTS, dtype))
    assert values.dtype == dtype
    assert values.shape == (factors.p,)
    close(values.astype(dtype), np.maximum(expected, 0).astype(dtype), loss=100)


def test_a_row_of_no_weight_may_hold_nan():
    factors = kinds()["dense, dual"]
    broken = fisher.DenseFactors(factors.array.at[1].set(jnp.nan))
    np.testing.assert_array_equal(*(jax.jit(fisher.spectrum)(f, jnp.asarray(WEIGHTS)) for f in (broken, factors)))


@KINDS
def test_gram_and_spectra_of_single_examples(kind, close):
    factors = kinds()[kind]
    array = testing.write_out(factors)
    rows = array.reshape(-1, factors.p)
    close(jax.jit(fisher.gram)(factors), rows @ rows.T)
    close(jax.jit(fisher.example_grams)(factors), np.einsum("nrp,nsp->nrs", array, array))
    expected = [eigenvalues(f)[: min(factors.r, factors.p)] for f in testing.fisher(array)]
    close(jax.jit(fisher.example_spectra)(factors), np.stack(expected))


def test_a_matrix_too_large_to_diagonalise_is_refused_with_its_size():
    tall = fisher.LastLayerFactors(jnp.ones((40_000, 1, 1, 1)), jnp.ones((40_000, 1, 1)))
    assert fisher.spectrum(tall).shape == (1,)  # the smaller of both matrices is what counts
    wide = jax.ShapeDtypeStruct((100_000, 40, 5_000_000), np.float32)
    for exact in (fisher.spectrum, fisher.gram):
        with pytest.raises(ValueError, match=r"4000000 x 4000000: 256000 GB in float32.*lanczos_quadrature"):
            jax.eval_shape(lambda array, exact=exact: exact(fisher.DenseFactors(array)), wide)


@KINDS
def test_products_with_factors(kind, close):
    factors = kinds()[kind]
    v = testing.normal(jax.random.key(1), (factors.p,))
    expected = testing.information(testing.write_out(factors), WEIGHTS) @ v
    close(jax.jit(lambda f, v: fisher.factor_vector_product(f, jnp.asarray(WEIGHTS))(v))(factors, v), expected)


@functools.cache
def problem(sites=(), dtype=float):
    model, x = testing.network(3), testing.normal(jax.random.key(1), (7, *sites, 2), dtype)
    return model, alfi.Fitted(jax.jit(model.init)(jax.random.key(2), x)), alfi.pool(x)


@pytest.mark.parametrize("likelihood", LIKELIHOODS.values(), ids=LIKELIHOODS)
@pytest.mark.parametrize("sites", [(), (2, 2)], ids=["1 site", "2 x 2 sites"])
@pytest.mark.parametrize("chunk_size", [None, 3])
def test_matrix_free_information_is_that_of_the_jacobian(likelihood, sites, chunk_size, close):
    model, fitted, pool = problem(sites)
    weights = jnp.asarray([1.0, 0, 2, 0.5, 0, 1, 1])
    factor_fn = fisher.jacobian(model.apply, likelihood)
    array = testing.write_out(factor_fn(jax.random.key(0), fitted, pool))

    @jax.jit
    def columns(variables, x):
        operator = fisher.ggn_vector_product(
            model.apply, likelihood, variables, x, weights=weights, chunk_size=chunk_size
        )
        return jax.vmap(operator)(jnp.eye(operator.p))

    close(columns(fitted.variables, pool.x), testing.information(array, weights))
    if chunk_size:
        whole = jax.jit(
            lambda f: fisher.information(factor_fn, jax.random.key(0), f, pool, weights, chunk_size=chunk_size)
        )
        close(whole(fitted), testing.information(array, weights))


def test_layers_are_the_diagonal_blocks(close):
    model, fitted, pool = problem()
    chosen = fisher.layers(fitted.variables)
    assert list(chosen) == ["['body']", "['head']"]
    likelihood = likelihoods.categorical()
    whole = fisher.jacobian(model.apply, likelihood)(jax.random.key(0), fitted, pool)
    blocks = np.cumsum(
        [0] + [sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in fitted.variables.params.values()]
    )
    information = testing.information(testing.write_out(whole), np.ones(7))
    for layer, start, stop in zip(chosen.values(), blocks[:-1], blocks[1:], strict=True):
        expected = eigenvalues(information[start:stop, start:stop])

        @jax.jit
        def both(fitted, layer=layer):
            factors = fisher.jacobian(model.apply, likelihood, parameters=layer)(jax.random.key(0), fitted, pool)
            operator = fisher.ggn_vector_product(model.apply, likelihood, fitted.variables, pool.x, parameters=layer)
            pairs = fisher.top_eigenpairs(jax.random.key(0), operator, 3, steps=min(operator.p, 14))
            return fisher.spectrum(factors), pairs.values

        exact, largest = both(fitted)
        close(exact, np.maximum(expected, 0))
        close(largest, expected[:3])


def operator_of(matrix):
    return fisher.Operator(lambda v: jnp.matmul(matrix, v, precision="highest"), len(matrix), matrix.dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_largest_eigenvalues_lie_within_their_residuals(dtype, close):
    factors = testing.dense(jax.random.key(4), 150, 1, 120, dtype)
    matrix = factors.information(jnp.ones(150, dtype))
    expected = eigenvalues(np.asarray(matrix, float))
    pairs = jax.jit(lambda m: fisher.top_eigenpairs(jax.random.key(1), operator_of(m), 5))(matrix)
    slack = 100 * np.finfo(dtype).eps * expected[0]
    assert np.all(
        np.min(np.abs(expected[None] - np.asarray(pairs.values, float)[:, None]), axis=1) <= pairs.residuals + slack
    )
    np.testing.assert_allclose(pairs.values, expected[:5], rtol=0.02)
    defect = np.linalg.norm(matrix @ pairs.vectors - pairs.vectors * pairs.values[None], axis=0)
    np.testing.assert_allclose(defect, pairs.residuals, atol=slack)
    exact = jax.jit(lambda m: fisher.top_eigenpairs(jax.random.key(1), operator_of(m), 5, steps=120))(matrix)
    close(exact.values, expected[:5].astype(dtype), loss=1e3)
    close(exact.vectors.T @ exact.vectors, np.eye(5, dtype=dtype), loss=1e3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_low_rank_ends_the_recurrence(dtype, close):
    """More steps than the rank: the Krylov space is complete, what follows would be rounding errors."""
    factors = testing.dense(jax.random.key(4), 1, 4, 200, dtype)
    expected = np.asarray(jax.jit(fisher.spectrum)(factors))

    @jax.jit
    def krylov(factors):
        operator = fisher.factor_vector_product(factors)
        quadrature = fisher.lanczos_quadrature(jax.random.key(0), operator, steps=30, probes=200)
        return fisher.top_eigenpairs(jax.random.key(0), operator, 8, steps=30), quadrature

    pairs, quadrature = krylov(factors)
    close(pairs.values[:4], expected[:4], loss=1e3)
    close(pairs.values[4:], np.zeros(4, dtype), loss=1e3, scale=expected[0])
    close(pairs.vectors[:, :4].T @ pairs.vectors[:, :4], np.eye(4, dtype=dtype), loss=1e3)
    estimate = fisher.log_determinant(quadrature, 2.0)
    assert abs(estimate.value - np.sum(np.log1p(expected / 2))) < 4 * estimate.error
    close(quadrature.weights.sum(axis=1), np.full(200, 200, dtype), loss=1e3)


def test_a_zero_matrix_and_one_that_is_no_number():
    @jax.jit
    def run(scale):
        operator = fisher.Operator(lambda v: scale * v, 9, scale.dtype)
        quadrature = fisher.lanczos_quadrature(jax.random.key(0), operator, steps=4)
        return fisher.log_determinant(quadrature, 1.0).value, fisher.top_eigenpairs(jax.random.key(0), operator, 3)

    value, pairs = run(jnp.zeros(()))
    assert value == 0
    assert not np.any(np.isnan(pairs.vectors))
    value, pairs = run(jnp.asarray(jnp.nan))
    assert np.isnan(value)
    assert np.isnan(pairs.values).all()


def test_estimates_are_within_their_errors(close):
    """Of 40 estimates, the mean of (estimate - truth) / error is near 0 and its spread near 1."""
    matrix = testing.dense(jax.random.key(5), 60, 1, 50).information(jnp.ones(60))
    values, operator = eigenvalues(matrix), operator_of(matrix)

    @jax.jit
    def estimates(key):
        quadrature = fisher.lanczos_quadrature(key, operator, steps=25, probes=10)
        dimension = fisher.trace_of(quadrature, lambda l: l / (l + 3.0))
        return fisher.log_determinant(quadrature, 3.0), dimension, fisher.trace(key, operator, probes=10)

    truths = np.sum(np.log1p(values / 3)), np.sum(values / (values + 3)), np.sum(values)
    results = jax.lax.map(estimates, jax.random.split(jax.random.key(6), 40))
    for estimate, truth in zip(results, truths, strict=True):
        deviation = (estimate.value - truth) / estimate.error
        assert abs(deviation.mean()) < 0.6
        assert 0.7 < deviation.std() < 1.8
        assert np.all(estimate.truncation < estimate.error)  # 12 steps are enough here, so 25 are
    few = jax.jit(lambda key: fisher.log_determinant(fisher.lanczos_quadrature(key, operator, steps=4), 3.0))
    assert few(jax.random.key(0)).truncation > 100 * results[0].truncation.max()


def test_quadrature_is_exact_with_all_steps(close):
    """For one probe v and all steps, the rule gives ``v^T f(M) v``."""
    matrix = testing.dense(jax.random.key(5), 60, 1, 12).information(jnp.ones(60))
    key = jax.random.key(3)
    run = jax.jit(lambda m: fisher.lanczos_quadrature(key, operator_of(m), steps=12, probes=2))
    quadrature = run(matrix)
    values, vectors = np.linalg.eigh(matrix)
    probes = [jax.random.rademacher(k, (12,), float) for k in jax.random.split(key, 2)]
    expected = np.mean([np.sum(np.sqrt(values) * (vectors.T @ v) ** 2) for v in probes])
    close(fisher.trace_of(quadrature, jnp.sqrt).value, expected)


def test_density_counts_the_eigenvalues(close):
    grid = jnp.linspace(-3, 5, 801)
    values = jnp.asarray([1000.0, 1000.0, 10.0, 0.1, 0.0, 0.0])

    @jax.jit
    def run(matrix):
        quadrature = fisher.lanczos_quadrature(jax.random.key(0), operator_of(matrix), steps=5, probes=4)
        return fisher.spectral_density(quadrature, grid, width=0.1)

    density, error = run(jnp.diag(values))
    close(density.sum() * 0.01, 4.0)
    close(density[(grid > 2.5) & (grid < 3.5)].sum() * 0.01, 2.0, loss=1e11)
    close(error, np.zeros(801), scale=1.0)  # a diagonal matrix: all vectors of signs see the same


@pytest.mark.parametrize("call", [
    lambda op: fisher.top_eigenpairs(jax.random.key(0), op, 0),
    lambda op: fisher.top_eigenpairs(jax.random.key(0), op, 5, steps=4),
    lambda op: fisher.lanczos_quadrature(jax.random.key(0), op, steps=10),
    lambda op: fisher.lanczos_quadrature(jax.random.key(0), op, steps=5, probes=1),
    lambda op: fisher.trace(jax.random.key(0), op, probes=1),
])  # fmt: skip
def test_impossible_sizes_are_refused(call):
    with pytest.raises(ValueError, match=r"needs|at least 2"):
        call(operator_of(jnp.eye(9)))


def test_chunk_size_must_be_positive():
    model, fitted, pool = problem()
    with pytest.raises(ValueError, match="chunk_size must be positive; got 0"):
        fisher.ggn_vector_product(model.apply, LIKELIHOODS["gaussian"], fitted.variables, pool.x, chunk_size=0)
