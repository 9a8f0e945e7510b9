"""What is particular to single likelihoods: extreme outputs in float32, closed forms, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from alfi import fisher, likelihoods, testing

CUTPOINTS = [-1.0, 0.0, 2.0]
# name: (likelihood, number of outputs)
LIKELIHOODS = {
    "categorical": (likelihoods.categorical(), 3),
    "categorical, full root": (likelihoods.categorical(likelihoods.full_root), 3),
    "bernoulli": (likelihoods.bernoulli(), 1),
    "multi_label": (likelihoods.multi_label(), 3),
    "gaussian": (likelihoods.gaussian(covariance=[[2.0, 0.5], [0.5, 1.0]]), 2),
    "heteroscedastic_gaussian": (likelihoods.heteroscedastic_gaussian(), 2),
    "poisson": (likelihoods.poisson(), 1),
    "ordinal": (likelihoods.ordinal(CUTPOINTS), 1),
}
OUTPUTS = [[80.0, -80.0, 0.0], [-80.0, 80.0, 80.0], [0.0, 80.0, -80.0], [-80.0, -80.0, -80.0], [79.0, 80.0, -3.0]]


@pytest.mark.parametrize(("likelihood", "c"), LIKELIHOODS.values(), ids=LIKELIHOODS)
def test_float32_is_as_good_as_float64_at_outputs_of_80(likelihood, c):
    """Factor and entropy relatively in every entry, down to the smallest number of float32; all else is finite."""

    @jax.jit
    @jax.vmap
    def everything(f):
        y = likelihood.sample(jax.random.key(0), f)
        return likelihood.fisher_factor(f), likelihood.entropy(f), likelihood.log_prob(f, y), y

    single, double = (everything(jnp.asarray(OUTPUTS, dtype)[:, :c]) for dtype in (np.float32, np.float64))
    assert all(x.dtype == np.float32 for x in single[:3])
    assert all(np.all(np.isfinite(x)) for x in single)
    np.testing.assert_allclose(single[0], double[0], rtol=1e-5, atol=1e-37)
    np.testing.assert_allclose(single[1], double[1], rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize(("likelihood", "c"), LIKELIHOODS.values(), ids=LIKELIHOODS)
def test_gradients_at_outputs_of_80_are_finite_in_float32(likelihood, c):
    def gradients(f):
        y = likelihood.sample(jax.random.key(0), f)
        scalars = (lambda f: likelihood.log_prob(f, y), likelihood.entropy, lambda f: likelihood.fisher_factor(f).sum())
        return [jax.grad(scalar)(f) for scalar in scalars]

    # exp(80)^2 is no number of float32: outputs that stand for a logarithm go up to 40
    size = 40.0 if likelihood.mode is None else 80.0
    for f in (size, -size):
        assert all(np.all(np.isfinite(g)) for g in jax.jit(gradients)(jnp.full(c, f, jnp.float32).at[0].set(0.5)))


def test_both_categorical_roots_have_one_product(getkey, close):
    f = 3 * testing.normal(getkey(), (50, 6))
    full, reduced = (
        np.asarray(jax.jit(jax.vmap(root))(f)) for root in (likelihoods.full_root, likelihoods.reduced_root)
    )
    assert (full.shape, reduced.shape) == ((50, 6, 6), (50, 6, 5))
    close(full @ full.transpose(0, 2, 1), reduced @ reduced.transpose(0, 2, 1))


def test_full_root_has_the_weighted_score_of_each_label_as_a_column(getkey, close):
    f = testing.normal(getkey(), (4,))
    p = np.asarray(jax.nn.softmax(f))
    close(likelihoods.full_root(f), (np.eye(4) - p[:, None]) * np.sqrt(p)[None])


@pytest.mark.parametrize("rate", [1e-30, 1e-3, 1.0, 20.0, 63.999, 64.001, 500.0, 5e4])
def test_entropy_of_counts_is_that_of_scipy(rate):
    got = jax.jit(likelihoods.poisson().entropy)(jnp.log(jnp.array([rate])))
    if rate < 1e-10:  # the leading term, rate (1 - log rate)
        expected = rate * (1 - np.log(rate))
    else:
        k = np.arange(int(rate + 60 * np.sqrt(rate) + 60))
        log_p = stats.poisson.logpmf(k, rate)
        expected = -np.sum(np.exp(log_p) * log_p)
    np.testing.assert_allclose(got, expected, rtol=2e-10)


def test_log_probabilities_are_those_of_scipy(getkey, close):
    f = np.array([0.3, -1.2])
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    y = np.array([1.0, 4.0])
    close(
        likelihoods.gaussian(covariance=covariance).log_prob(jnp.asarray(f), jnp.asarray(y)),
        stats.multivariate_normal(f, covariance).logpdf(y),
    )
    close(
        likelihoods.heteroscedastic_gaussian().log_prob(jnp.asarray(f), jnp.asarray(y[1])),
        stats.norm(f[0], np.exp(f[1] / 2)).logpdf(y[1]),
    )
    close(likelihoods.poisson().log_prob(jnp.asarray(f), jnp.asarray(y)), stats.poisson(np.exp(f)).logpmf(y).sum())
    grades = jax.vmap(likelihoods.ordinal(CUTPOINTS).log_prob, (None, 0))(jnp.asarray(f[:1]), jnp.arange(4))
    close(np.exp(grades), np.diff(stats.logistic.cdf([-np.inf, *CUTPOINTS, np.inf], loc=f[0])))


def test_large_counts_are_drawn_with_their_mean_and_variance(getkey):
    rate, m = np.exp(20.0), 20_000
    draw = jax.jit(jax.vmap(likelihoods.poisson().sample, (0, None)))
    y = np.asarray(draw(jax.random.split(getkey(), m), jnp.array([20.0])))[:, 0]
    assert np.all(y == np.round(y))
    assert abs(y.mean() - rate) < 5 * np.sqrt(rate / m)
    assert abs(y.var() / rate - 1) < 5 * np.sqrt(2 / m)


def test_ordinal_with_one_cutpoint_is_bernoulli(getkey, close):
    f = testing.normal(getkey(), (1,))
    two, yes = likelihoods.ordinal([0.0]), likelihoods.bernoulli()
    close(two.fisher_factor(f), yes.fisher_factor(f))
    close(two.entropy(f), yes.entropy(f))
    close(two.log_prob(f, jnp.asarray(1)), yes.log_prob(f, jnp.asarray(1)))


@pytest.mark.parametrize("name", [name for name, (likelihood, _) in LIKELIHOODS.items() if likelihood.mode])
def test_mode_is_the_label_of_largest_probability(name, getkey):
    likelihood, c = LIKELIHOODS[name]
    every = {
        "multi_label": testing.every_set_of_labels,
        "ordinal": testing.every_grade(CUTPOINTS),
        "bernoulli": testing.every_answer,
    }
    for _ in range(5):
        f = 2 * testing.normal(getkey(), (c,))
        y, probabilities = every.get(name, testing.every_class)(f)
        np.testing.assert_array_equal(likelihood.mode(f), y[np.argmax(probabilities)])


def test_effective_sites_scale_the_information_and_nothing_else(getkey, close):
    pixel, whole = likelihoods.categorical(), likelihoods.segmentation()
    scaled = likelihoods.segmentation(effective_sites=2.5)
    f = testing.normal(getkey(), (10, 3))
    close(fisher.site_roots(scaled, f), np.sqrt(0.25) * np.asarray(fisher.site_roots(whole, f)))
    close(fisher.site_roots(whole, f), jax.vmap(lambda f: pixel.fisher_factor(f).T)(f))
    assert scaled.log_prob(f[0], jnp.asarray(1)) == pixel.log_prob(f[0], jnp.asarray(1))
    assert scaled.entropy(f[0]) == pixel.entropy(f[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: likelihoods.gaussian(1.0, covariance=np.eye(2)), "not both"),
        (lambda: likelihoods.gaussian(covariance=[[1.0, 2.0], [2.0, 1.0]]), "positive definite covariance; got"),
        (lambda: likelihoods.gaussian(covariance=[[1.0, 0.5], [0.0, 1.0]]), r"symmetric covariance \[c, c\]"),
        (lambda: likelihoods.gaussian(covariance=[1.0, 2.0]), r"symmetric covariance \[c, c\]; got shape \(2,\)"),
        (
            lambda: likelihoods.gaussian(covariance=np.eye(2)).fisher_factor(jnp.zeros(3)),
            "for 2 outputs; the model has 3",
        ),
        (lambda: likelihoods.ordinal([0.0, 0.0]), "increasing cutpoints"),
        (lambda: likelihoods.ordinal([]), "increasing cutpoints"),
        (lambda: likelihoods.ordinal([0.0, np.nan]), "increasing cutpoints"),
        (
            lambda: likelihoods.ordinal([0.0]).entropy(jnp.zeros(2)),
            r"one output, the score; got outputs of shape \(2,\)",
        ),
        (lambda: likelihoods.bernoulli().entropy(jnp.zeros(2)), r"shape \(2,\); for several use `multi_label`"),
        (lambda: likelihoods.categorical().fisher_factor(jnp.zeros(1)), "for one logit use `bernoulli`"),
        (lambda: likelihoods.heteroscedastic_gaussian().entropy(jnp.zeros(3)), "2 m outputs; got 3"),
        (lambda: likelihoods.segmentation(effective_sites=0), "positive number of pixels; got 0"),
        (lambda: likelihoods.segmentation(effective_sites=np.inf), "positive number of pixels; got inf"),
        (
            lambda: fisher.site_roots(likelihoods.segmentation(effective_sites=9), jnp.zeros((4, 2))),
            "effective_sites is 9.0, but the outputs have only 4 sites",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
