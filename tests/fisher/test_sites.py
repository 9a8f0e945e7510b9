"""Segmentation: pixels enter through the site axis, and what an image tells is the sum over them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

import alfi
from alfi import criteria, fisher, likelihoods, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

LIKELIHOODS = {
    "categorical": (likelihoods.segmentation(likelihoods.categorical()), testing.every_class, 3),
    "bernoulli": (likelihoods.segmentation(likelihoods.bernoulli()), testing.every_answer, 1),
    "10 effective sites": (
        likelihoods.segmentation(likelihoods.categorical(), effective_sites=10),
        testing.every_class,
        3,
    ),
}
cases = pytest.mark.parametrize("case", LIKELIHOODS.values(), ids=LIKELIHOODS)
N, HEIGHT, WIDTH, HIDDEN = 3, 6, 5, 4


def is_head(path):
    return path.startswith("['head']")


@functools.cache
def problem(c, dtype=float):
    model, x = testing.network(c, HIDDEN), testing.normal(jax.random.key(1), (N, HEIGHT, WIDTH, 2), dtype)
    return model, alfi.Fitted(jax.jit(model.init)(jax.random.key(2), x)), alfi.pool(x)


def run(factor_fn, fitted, pool):
    return jax.jit(lambda fitted: factor_fn(jax.random.key(0), fitted, pool))(fitted)


@cases
@pytest.mark.parametrize("site_chunk_size", [7, 4096])
def test_summed_last_layer_has_the_information_of_its_pixels(case, site_chunk_size, close):
    likelihood, _, c = case
    model, fitted, pool = problem(c)
    rows = run(fisher.last_layer(model, likelihood), fitted, pool)
    summed = run(
        fisher.summed_last_layer(model, likelihood, chunk_size=2, site_chunk_size=site_chunk_size), fitted, pool
    )
    assert summed.array.shape == (N, rows.p, rows.p)
    assert rows.r > rows.p
    close(testing.fisher(testing.write_out(summed)), testing.fisher(testing.write_out(rows)))


@cases
def test_information_of_an_image_is_that_of_autodiff(case, close):
    """All parameters of the network by definition; and its last layer, in the contrasts of the outputs, by gains."""
    likelihood, labels, c = case
    model, fitted, pool = problem(c)
    expected = testing.network_fisher(
        lambda params, x: model.apply(alfi.Variables(params), x), likelihood, labels, fitted.variables.params, pool.x
    )
    scale = (likelihood.effective_sites or HEIGHT * WIDTH) / (HEIGHT * WIDTH)
    jacobian = run(fisher.jacobian(model.apply, likelihood), fitted, pool)
    close(testing.fisher(testing.write_out(jacobian)), scale * np.asarray(expected))

    head = run(fisher.jacobian(model.apply, likelihood, parameters=is_head), fitted, pool)
    summed = run(fisher.summed_last_layer(model, likelihood), fitted, pool)

    @jax.jit
    def gains(factors):
        made = [make(prior_precision=0.3) for make in (criteria.d_optimal, criteria.v_optimal)]
        return [c.gain(factors, c.init(factors, jnp.eye(N)[0], jnp.ones(N))) for c in made]

    close(gains(summed), gains(head))


def test_few_sites_stay_rows(close):
    model, fitted, pool = problem(3)
    few = alfi.pool(pool.x[:, :1, :2])
    likelihood = likelihoods.segmentation()
    summed, rows = (run(make(model, likelihood), fitted, few) for make in (fisher.summed_last_layer, fisher.last_layer))
    assert summed.array.shape == (N, 2 * 2, 2 * (HIDDEN + 1))
    close(summed.array, testing.write_out(rows))


def test_temperature_is_that_of_the_last_layer(close):
    model, fitted, pool = problem(3)
    makes = (fisher.summed_last_layer, fisher.last_layer)
    summed, rows = (run(make(model, likelihoods.categorical(), temperature=3.0), fitted, pool) for make in makes)
    close(summed.squared_norms(), rows.squared_norms())


def test_float32_is_as_good_as_the_sum():
    model, fitted, pool = problem(3, np.float32)
    factor_fn = fisher.summed_last_layer(model, likelihoods.segmentation())
    single = run(factor_fn, fitted, pool)
    assert single.array.dtype == np.float32
    double = jax.tree.map(lambda x: x.astype(np.float64), (fitted, pool.x))
    want = testing.fisher(testing.write_out(run(factor_fn, double[0], alfi.pool(double[1]))))
    np.testing.assert_allclose(
        testing.fisher(testing.write_out(single)), want, atol=30 * np.finfo(np.float32).eps * np.abs(want).max(), rtol=0
    )


def test_nothing_has_pixels_times_outputs_times_parameters():
    """Read in the program: the largest array of a large image is its features, or the chunk's."""
    side, c, d = 64, 5, 16
    model = testing.network(c, d)
    x = jnp.zeros((2, side, side, 2))
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    factor_fn = fisher.summed_last_layer(model, likelihoods.segmentation(), chunk_size=1, site_chunk_size=256)
    program = jax.make_jaxpr(lambda v, x: factor_fn(jax.random.key(0), alfi.Fitted(v), alfi.pool(x)).array)(
        variables, x
    )

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            yield from (np.prod(v.aval.shape) for v in equation.outvars if hasattr(v.aval, "shape"))
            for inner in jaxprs_in_params(equation.params):
                yield from sizes(inner)

    largest, pixels, p = max(sizes(program.jaxpr)), side * side, (c - 1) * (d + 1)
    assert largest <= pixels * (d + 1), largest  # the features of one image, where the factors have pixels (c - 1) p
    assert largest < pixels * (c - 1) * p / 10


def test_effective_sites_reach_every_kind_of_factors(close):
    """All of them: squared norms are in the proportion 10 / 30."""
    model, fitted, pool = problem(3)
    whole, few = likelihoods.segmentation(), likelihoods.segmentation(effective_sites=10)

    def norms(likelihood):
        kinds = (
            fisher.last_layer(model, likelihood),
            fisher.summed_last_layer(model, likelihood),
            fisher.hypothesised(model, likelihood),
            fisher.jacobian(model.apply, likelihood),
            fisher.monte_carlo(model.apply, likelihood),
            fisher.monte_carlo_last_layer(model, likelihood),
            fisher.sketched_jacobian(model.apply, likelihood, 3),
        )
        return run(lambda *args: [kind(*args).squared_norms() for kind in kinds], fitted, pool)

    close(np.asarray(norms(few)), np.asarray(norms(whole)) / 3)


@pytest.mark.parametrize("sizes", [{"chunk_size": 0}, {"site_chunk_size": 0}])
def test_chunks_are_positive(sizes):
    with pytest.raises(ValueError, match="chunk sizes must be at least 1"):
        fisher.summed_last_layer(testing.network(3), likelihoods.categorical(), **sizes)


def test_hypothesised_of_one_logit_takes_the_answer_that_is_more_probable(close):
    """Not argmax of a single logit, which is always 0."""
    model, fitted, pool = problem(1)
    factors = run(fisher.hypothesised(model, likelihoods.bernoulli()), fitted, pool)
    f = np.asarray(model.apply(fitted.variables, pool.x)).reshape(N, -1)
    close(np.asarray(factors.roots)[:, :, 0, 0], 1 / (1 + np.exp(-f)) - (f > 0))


def test_hypothesised_needs_labels_that_are_a_choice():
    with pytest.raises(ValueError, match="no `mode`"):
        fisher.hypothesised(testing.network(2), likelihoods.gaussian())


# --- a square root of all parameters


@cases
@pytest.mark.parametrize("site_chunk_size", [1, 7, 4096])
def test_summed_jacobian_has_the_information_of_autodiff(case, site_chunk_size, close):
    """7 does not divide the 30 sites: those that fill up the last chunk count nothing."""
    likelihood, labels, c = case
    model, fitted, pool = problem(c)
    summed = run(fisher.jacobian(model.apply, likelihood, site_chunk_size=site_chunk_size), fitted, pool)
    p = sum(leaf.size for leaf in jax.tree.leaves(fitted.variables.params))
    sites, rank = HEIGHT * WIDTH, max(1, c - 1)
    assert summed.array.shape == (N, p, p)
    assert sites * rank > p
    expected = testing.network_fisher(
        lambda params, x: model.apply(alfi.Variables(params), x), likelihood, labels, fitted.variables.params, pool.x
    )
    close(testing.fisher(testing.write_out(summed)), (likelihood.effective_sites or sites) / sites * expected)


def test_summed_jacobian_of_a_part_and_in_chunks_of_images(close):
    model, fitted, pool = problem(3)
    likelihood = likelihoods.segmentation(effective_sites=10)
    rows = run(fisher.jacobian(model.apply, likelihood, parameters=is_head), fitted, pool)
    summed = run(
        fisher.jacobian(model.apply, likelihood, parameters=is_head, chunk_size=2, site_chunk_size=8), fitted, pool
    )
    assert summed.r == summed.p == rows.p
    close(testing.fisher(testing.write_out(summed)), testing.fisher(testing.write_out(rows)))


def test_a_summed_jacobian_of_few_sites_is_its_rows(close):
    model, fitted, pool = problem(3)
    few = alfi.pool(pool.x[:, :1, :2])
    rows, summed = (
        run(fisher.jacobian(model.apply, likelihoods.segmentation(), site_chunk_size=size), fitted, few)
        for size in (None, 1)
    )
    assert rows.r == summed.r == 2 * 2
    close(summed.array, rows.array)


def test_a_summed_jacobian_of_a_convolution_sees_all_sites(close):
    """Pixels that share inputs: the sum is over their rows, not over pixels one by one."""
    kernel, x = testing.normal(jax.random.key(3), (3, 3, 2, 2)), testing.normal(jax.random.key(4), (2, 7, 6, 2))
    likelihood, pool = likelihoods.segmentation(), alfi.pool(x)

    def apply(kernel, x):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    fitted = alfi.Fitted(kernel)
    summed = run(fisher.jacobian(apply, likelihood, site_chunk_size=10), fitted, pool)
    assert summed.array.shape == (2, 36, 36)
    expected = testing.network_fisher(apply, likelihood, testing.every_class, kernel, x)
    close(testing.fisher(testing.write_out(summed)), expected)


def test_summed_jacobian_holds_the_rows_of_one_chunk():
    """Read in the compiled program: memory far below t r p, which the rows need."""
    side, c, hidden = 64, 3, 16
    model, x = testing.network(c, hidden), jax.ShapeDtypeStruct((1, side, side, 30), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    p = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(variables.params))

    def memory(site_chunk_size):
        factor_fn = fisher.jacobian(
            model.apply, likelihoods.segmentation(), chunk_size=1, site_chunk_size=site_chunk_size
        )
        program = jax.jit(lambda v, x: factor_fn(jax.random.key(0), alfi.Fitted(v), alfi.pool(x)).array)
        used = program.lower(variables, x).compile().memory_analysis()
        return used.temp_size_in_bytes + used.output_size_in_bytes

    rows = side**2 * (c - 1) * p * 4
    assert memory(None) >= rows
    assert memory(2) < rows / 2, (memory(2), rows)


def test_site_chunks_of_a_jacobian_are_positive():
    with pytest.raises(ValueError, match="site_chunk_size must be at least 1; got 0"):
        fisher.jacobian(testing.network(3).apply, likelihoods.categorical(), site_chunk_size=0)
