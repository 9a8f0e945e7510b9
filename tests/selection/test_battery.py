"""Every selection rule with every criterion: what a pick may never be. A new rule or criterion is one row."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, selection, testing

RULES = {
    "greedy": selection.greedy(),
    "sample": selection.sample(),
    "top_k": selection.top_k(),
    "forward_backward": selection.forward_backward(),
    "exchange": selection.exchange(),
    "ftrl": selection.ftrl(),
    "power": selection.power(),
    "softmax": selection.softmax(),
    "softrank": selection.softrank(),
}
CRITERIA = {
    "d_optimal": criteria.d_optimal(),
    "v_optimal": criteria.v_optimal(),
    "min_distance": criteria.min_distance(),
    "from_matrix": criteria.from_matrix(lambda m: jnp.linalg.eigvalsh(m)[0]),
    "score": criteria.score(),
}
N, BATCH, KEY = 14, 3, jax.random.key(0)
# (rule, criterion) that do not go together: points that cannot be taken out, data that are not Factors.
UNFIT = {
    ("forward_backward", "min_distance"),
    ("exchange", "min_distance"),
    ("ftrl", "min_distance"),
    ("ftrl", "score"),
}
RANDOM = {"sample", "power", "softmax", "softrank"}
PAIRS = [(r, c) for r in RULES for c in CRITERIA if (r, c) not in UNFIT]
DETERMINISTIC = [pair for pair in PAIRS if pair[0] not in RANDOM]
# For what needs another program: every rule once, every criterion once.
FEW = [pair for pair in PAIRS if pair[0] == "greedy" or pair[1] == "v_optimal"]


def table(chosen):
    """Rows of the slower and the rarer rules are for `make test-slow`."""
    later = {"exchange", "ftrl", "softmax", "softrank"}
    rows = [pytest.param(*pair, marks=pytest.mark.slow) if pair[0] in later else pair for pair in chosen]
    return pytest.mark.parametrize(("rule", "criterion"), rows)


pairs, deterministic, few = table(PAIRS), table(DETERMINISTIC), table(FEW)


def plain(rule, criterion, data, weights, available, population, groups=None, costs=None):
    return RULES[rule](
        KEY, criterion, data, weights, available, BATCH, population=population, groups=groups, costs=costs
    )


compiled = jax.jit(plain, static_argnames="rule")


@functools.cache
def problem(criterion, n=N):
    """Three points are labelled; two more may not be picked, one of them does not count in the population either."""
    data = testing.last_layer(jax.random.key(5), n, 1, 2, 2)
    data = jnp.sin(data.squared_norms()) if criterion == "score" else data
    weights = np.zeros(n)
    weights[[0, 4, 5]] = 1
    available, population = weights == 0, np.ones(n)
    available[[1, 7]], population[7] = False, 0
    return CRITERIA[criterion], data, jnp.asarray(weights), jnp.asarray(available), jnp.asarray(population)


def free(n=N):
    """Groups and costs that change nothing, so that one program serves all tests."""
    return {"groups": jnp.arange(n), "costs": jnp.ones(n)}


def select(rule, criterion, data, weights, available, population, **options):
    return compiled(rule, criterion, data, weights, available, population, **(free(len(weights)) | options))


def rows(tree, order):
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)[order]), tree)


@pairs
def test_picks_are_different_available_and_scored(rule, criterion):
    arguments = problem(criterion)
    batch = select(rule, *arguments)
    indices = np.asarray(batch.indices)
    assert len(set(indices)) == BATCH
    assert np.asarray(arguments[3])[indices].all()
    assert np.isfinite(batch.gains).all()


@pytest.mark.slow
@few
def test_groups_and_costs_of_one_are_none_at_all_and_eager_is_jit(rule, criterion):
    arguments = problem(criterion)
    eager, jitted = plain(rule, *arguments), select(rule, *arguments)
    np.testing.assert_array_equal(eager.indices, jitted.indices)
    np.testing.assert_allclose(eager.gains, jitted.gains, rtol=1e-10)


@deterministic
def test_a_permutation_of_the_pool_permutes_the_picks(rule, criterion):
    chosen, *arguments = problem(criterion)
    order = np.random.default_rng(0).permutation(N)
    plainly, permuted = select(rule, chosen, *arguments), select(rule, chosen, *rows(arguments, order))
    np.testing.assert_array_equal(order[np.asarray(permuted.indices)], plainly.indices)
    np.testing.assert_allclose(permuted.gains, plainly.gains, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "criterion"), [pair for pair in FEW if pair in DETERMINISTIC])
def test_padding_changes_nothing(rule, criterion):
    chosen, *arguments = problem(criterion)

    def pad(x):
        return jnp.asarray(np.concatenate([x, np.zeros((4, *x.shape[1:]), x.dtype)]))

    plainly, padded = select(rule, chosen, *arguments), select(rule, chosen, *jax.tree.map(pad, arguments))
    np.testing.assert_array_equal(padded.indices, plainly.indices)
    np.testing.assert_allclose(padded.gains, plainly.gains, rtol=1e-9)


@pairs
def test_exhausted_picks_are_index_n_with_minus_infinity(rule, criterion):
    chosen, data, weights, _, population = problem(criterion)
    for left in ([], [6], [6, 13]):
        available = jnp.zeros(N, bool).at[np.asarray(left, int)].set(True)
        batch = select(rule, chosen, data, weights, available, population)
        assert sorted(batch.indices.tolist()) == left + [N] * (BATCH - len(left))
        np.testing.assert_array_equal(np.isneginf(batch.gains), np.asarray(batch.indices) == N)
        assert (np.asarray(batch.indices)[len(left) :] == N).all()


@pairs
@pytest.mark.parametrize("left", [range(N), [0, 2, 3, 13], [0, 13]], ids=["all", "just enough", "too few"])
def test_nan_never_wins(rule, criterion, left):
    """Rows of nan that nobody counts (population 0, weight 0), the first and last among them, do no harm to others."""
    chosen, data, weights, available, population = problem(criterion)
    bad = np.isin(np.arange(N), [0, 6, 13])
    weights, population = jnp.where(bad, 0, weights), jnp.where(bad, 0, population)
    available = jnp.asarray(np.isin(np.arange(N), left)) & (weights == 0)
    spoilt = jax.tree.map(lambda x: jnp.where(bad.reshape(-1, *[1] * (x.ndim - 1)), jnp.nan, x), data)
    batch = select(rule, chosen, spoilt, weights, available, population)
    healthy = select(rule, chosen, data, weights, available & ~bad, population)
    if rule not in RANDOM:
        np.testing.assert_array_equal(batch.indices, healthy.indices)
        np.testing.assert_allclose(batch.gains, healthy.gains, rtol=1e-9)
    assert not np.isin(batch.indices, np.flatnonzero(bad)).any()
    assert not np.isnan(batch.gains).any()


@pairs
def test_one_pick_from_each_group(rule, criterion):
    arguments = problem(criterion)
    groups = jnp.arange(N) % 4 + 10
    batch = select(rule, *arguments, groups=groups)
    assert len(set(np.asarray(groups)[np.asarray(batch.indices)])) == BATCH


@deterministic
def test_groups_exhaust(rule, criterion):
    """Two groups cannot give three picks."""
    batch = select(rule, *problem(criterion), groups=jnp.arange(N) % 2)
    assert (np.asarray(batch.indices) == N).tolist() == [False, False, True]


@deterministic
def test_gains_are_per_unit_of_cost(rule, criterion):
    """What costs next to nothing is picked, what costs a fortune is not: for gains that are positive."""
    chosen, data, *arguments = problem(criterion)
    data = jnp.abs(data) if criterion == "score" else data
    cheap, dear = [3, 9, 11], [2, 6, 13]
    costs = jnp.ones(N).at[jnp.asarray(cheap)].set(1e-6).at[jnp.asarray(dear)].set(1e6)
    batch = select(rule, chosen, data, *arguments, costs=costs)
    if criterion == "from_matrix":  # the smallest eigenvalue may not move at all
        assert not set(batch.indices.tolist()) & set(dear)
    else:
        assert sorted(batch.indices.tolist()) == cheap


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_one_object(rule):
    """As static arguments of compiled functions they must not compile again."""
    assert RULES[rule] is getattr(selection, rule)()


def test_forward_backward_refuses_to_pick_less_than_the_batch():
    with pytest.raises(ValueError, match="oversample >= 1; got 0"):
        selection.forward_backward(0)
