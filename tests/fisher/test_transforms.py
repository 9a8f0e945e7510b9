"""Transforms of factors against the same done in NumPy to the factors written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, fisher, likelihoods, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

N, P = 8, 12
LABELLED = [1, 4]
KINDS = {
    "dense": lambda: testing.dense(jax.random.key(1), N, 4, P),
    "last layer": lambda: testing.last_layer(jax.random.key(2), N, 3, 4, 3),
    "last layer, 2 sites": lambda: testing.last_layer(jax.random.key(3), N, 2, 4, 3, sites=2),
    "blocks": lambda: testing.blocks(jax.random.key(4), N, 3, 2, 4),
}
kinds = pytest.mark.parametrize("factors", [make() for make in KINDS.values()], ids=KINDS)
POOL = alfi.pool(jnp.zeros((N, 1)), labelled=LABELLED, population=jnp.linspace(0.5, 1.5, N))


def given(factors):
    """A FactorFn that gives these."""
    return lambda key, fitted, pool, /: factors


def run(factor_fn, fitted=None, pool=POOL):
    return jax.jit(lambda key: factor_fn(key, alfi.Fitted(fitted), pool))(jax.random.key(9))


@kinds
@pytest.mark.parametrize("draw", [jax.random.normal, jax.random.rademacher])
def test_sketch_preserves_inner_products_in_expectation(factors, draw):
    """Over 400 sketches, within five standard errors; and of a large sketch the relative error is sqrt(2 / s)."""
    array = testing.write_out(factors).reshape(N, -1)
    factor_fn = fisher.sketch(given(factors), 6, draw=draw)

    @jax.jit
    @jax.vmap
    def inner(key):
        sketched = factor_fn(key, alfi.Fitted(None), POOL)
        return sketched.inner(sketched)

    draws = np.asarray(inner(jax.random.split(jax.random.key(0), 400)))
    error = draws.mean(axis=0) - array @ array.T
    np.testing.assert_array_less(np.abs(error), 5 * draws.std(axis=0) / np.sqrt(len(draws)))
    large = run(fisher.sketch(given(factors), 20_000, draw=draw))
    assert large.array.shape == (N, factors.r, 20_000)
    np.testing.assert_allclose(large.squared_norms(), np.sum(array**2, axis=1), rtol=5 * np.sqrt(2 / 20_000))


def test_sketch_is_one_matrix_for_all_examples(close):
    """Sketches of the rows of the identity are the matrix itself, whatever their example."""
    identity = fisher.DenseFactors(jnp.stack([jnp.eye(P)] * 2))
    sketched = run(fisher.sketch(given(identity), 5), pool=alfi.pool(jnp.zeros((2, 1)))).array
    close(sketched[0], sketched[1])
    assert np.linalg.matrix_rank(sketched[0]) == 5


@kinds
@pytest.mark.parametrize("rank", [2, 100])
def test_truncate_is_the_best_approximation_of_each_example(factors, rank, close):
    array = testing.write_out(factors)
    truncated = run(fisher.truncate(given(factors), rank))
    assert truncated.r == min(rank, factors.r)
    assert type(truncated) is type(factors) or truncated.n == N
    u, s, vt = np.linalg.svd(array, full_matrices=False)
    s[:, rank:] = 0
    close(testing.fisher(testing.write_out(truncated)), testing.fisher(u * s[:, None] @ vt))


def test_truncate_keeps_a_last_layer_in_pieces():
    assert isinstance(run(fisher.truncate(given(KINDS["last layer"]()), 1)), fisher.LastLayerFactors)


@kinds
def test_principal_keeps_the_leading_eigenvalues_of_the_population(factors, close):
    array, population = testing.write_out(factors), np.asarray(POOL.population)
    reduced = run(fisher.principal(given(factors), 5))
    assert reduced.array.shape == (N, factors.r, 5)
    values = np.linalg.eigvalsh(testing.information(testing.write_out(reduced), population))
    close(values, np.linalg.eigvalsh(testing.information(array, population))[-5:])


@kinds
def test_diagonal_is_that_of_the_fisher_information(factors, close):
    diagonal = run(fisher.diagonal(given(factors)))
    assert diagonal.array.shape == (N, P, 1, 1)
    each = testing.fisher(testing.write_out(factors)) * np.eye(P)
    close(testing.fisher(testing.write_out(diagonal)), each)


@kinds
@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (5, 1, 6)])
def test_blocks_are_those_of_the_fisher_information(factors, sizes, close):
    blocks = run(fisher.block(given(factors), sizes))
    each = testing.fisher(testing.write_out(factors))
    starts = np.cumsum((0, *sizes))
    got = np.einsum("nbrp,nbrq->nbpq", *[np.asarray(blocks.array)] * 2)
    for b, size in enumerate(sizes):
        inside = slice(starts[b], starts[b] + size)
        close(got[:, b, :size, :size], each[:, inside, inside])
        assert not got[:, b, size:].any()


def test_blocks_of_a_last_layer_have_one_row_for_each_site():
    assert run(fisher.block(given(KINDS["last layer, 2 sites"]()), [3] * 4)).array.shape == (N, 4, 2, 3)


def test_blocks_of_classes_are_those_of_the_literature(close):
    """Block k is ``p_k (1 - p_k) phi phi^T``: the last layer without contrasts."""
    model, x = testing.network(3), testing.normal(jax.random.key(1), (N, 2))
    fitted, pool = alfi.Fitted(jax.jit(model.init)(jax.random.key(2), x)), alfi.pool(x)
    last = fisher.last_layer(model, likelihoods.categorical()._replace(contrasts=None))
    factor_fn = fisher.block(last, [5] * 3)
    array = np.asarray(jax.jit(lambda fitted: factor_fn(jax.random.key(0), fitted, pool))(fitted).array)
    p = np.asarray(jax.nn.softmax(model.apply(fitted.variables, x)))
    phi = np.concatenate([model.features(fitted.variables, x), np.ones((N, 1))], axis=1)
    expected = np.einsum("nk,np,nq->nkpq", p * (1 - p), phi, phi)
    close(np.einsum("nkrp,nkrq->nkpq", array, array), expected)


def test_layer_sizes_are_those_of_the_jacobian(close):
    model, x = testing.network(3), testing.normal(jax.random.key(1), (N, 2))
    variables = jax.jit(model.init)(jax.random.key(2), x)
    sizes = fisher.layer_sizes(variables)
    assert sizes == (2 * 4 + 4, 4 * 3 + 3)
    jacobian = fisher.jacobian(model.apply, likelihoods.categorical())
    head = fisher.jacobian(model.apply, likelihoods.categorical(), parameters=lambda path: path.startswith("['head']"))
    blocks = run(fisher.block(jacobian, sizes), variables, alfi.pool(x))
    close(np.asarray(blocks.array)[:, 1], run(head, variables, alfi.pool(x)).array)


PRIORS = {"number": 0.3, "diagonal": np.linspace(0.2, 2, P), "matrix": np.diag(np.linspace(0.2, 2, P)) + 0.1}


CONDITIONED = {
    "dense, number": ("dense", 0.3),
    "last layer, diagonal": ("last layer", np.linspace(0.2, 2, P)),
    "blocks, matrix": ("blocks", np.diag(np.linspace(0.2, 2, P)) + 0.1),
}


@pytest.mark.parametrize(("kind", "prior"), CONDITIONED.values(), ids=CONDITIONED)
def test_criteria_that_start_empty_on_conditioned_factors_start_labelled(kind, prior, close):
    """Gains of D, and of V, before and after a pick."""
    factors = KINDS[kind]()
    conditioned = run(fisher.condition(given(factors), prior))
    dense = fisher.DenseFactors(jnp.asarray(testing.write_out(factors)))

    @jax.jit
    def gains(factors, weights, prior):
        seen = []
        for make in (criteria.d_optimal, criteria.v_optimal):
            criterion = make(prior_precision=prior)
            state = criterion.init(factors, weights, POOL.population)
            after = criterion.update(factors, state, jnp.array(3), factors.take(jnp.array([3])))
            seen += [criterion.gain(factors, state), criterion.gain(factors, after)]
        return seen

    expected = gains(dense, jnp.asarray(POOL.labelled, float), jnp.asarray(prior))
    for got, want in zip(gains(conditioned, jnp.zeros(N), jnp.asarray(1.0)), expected, strict=True):
        close(got, want)


def test_condition_takes_a_function_for_its_prior(close):
    factors = KINDS["dense"]()
    by_function = run(fisher.condition(given(factors), fisher.weight_decay(0.15)))
    close(by_function.array, run(fisher.condition(given(factors), 0.3)).array)


def test_ensemble_has_the_factors_of_each_member(close):
    model, x = testing.network(3), testing.normal(jax.random.key(1), (N, 2))
    members = jax.jit(jax.vmap(model.init, (0, None)))(jax.random.split(jax.random.key(2), 4), x)
    pool = alfi.pool(x)
    for factor_fn in (
        fisher.last_layer(model, likelihoods.categorical()),
        fisher.jacobian(model.apply, likelihoods.categorical()),
    ):

        @jax.jit
        def each(members, factor_fn=factor_fn):
            one = [jax.tree.map(lambda x, m=m: x[m], members) for m in range(4)]
            return (
                fisher.ensemble(factor_fn)(jax.random.key(0), alfi.Fitted(None, members=members), pool),
                [factor_fn(jax.random.key(0), alfi.Fitted(v), pool) for v in one],
            )

        got, want = each(members)
        for m in range(4):
            jax.tree.map(lambda g, w, m=m: close(g[:, m], w), got, want[m])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: fisher.sketch(f, 0), "size of a sketch must be at least 1; got 0"),
        (lambda f: fisher.truncate(f, 0), "at least 1; got 0"),
        (lambda f: fisher.principal(f, -1), "at least 1; got -1"),
        (lambda f: run(fisher.principal(f, P + 1)), "rank 13 is more than the 12 parameters"),
        (lambda f: run(fisher.block(f, (3, 4))), r"block sizes \(3, 4\) sum to 7, but there are 12 parameters"),
        (lambda f: run(fisher.ensemble(f)), "need `fitted.members`"),
        (lambda f: fisher.sketched_jacobian(lambda v, x: x, likelihoods.gaussian(), 0), "at least 1; got 0"),
        (lambda f: fisher.monte_carlo(lambda v, x: x, likelihoods.gaussian(), samples=0), "at least 1; got 0"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make(given(KINDS["dense"]()))
