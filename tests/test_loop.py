"""The loop: one program for all rounds, the same picks as a scan and as a host loop, labels seen only when paid for."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import alfi
from alfi import criteria, likelihoods, loop, selection, strategies, testing

N, ROUNDS, BATCH = 40, 3, 4
INITIAL = jnp.array([3, 17, 5, 30])
MODEL, LIKELIHOOD = alfi.models.mlp(3, hidden=(6,)), likelihoods.categorical()


def problem(**options):
    x = testing.normal(jax.random.key(0), (N, 4))
    return alfi.pool(x, jnp.argmax(x[:, :3], axis=1), **options)


def parts(strategy, steps=15, **options):
    pool = problem()
    train = alfi.training.fixed_steps(MODEL, LIKELIHOOD, optax.adam(1e-2), steps=steps)

    def accuracy(variables):
        return (jnp.argmax(MODEL.apply(variables, pool.x), axis=1) == pool.y).mean()

    return loop.make_learn(MODEL, train, accuracy, **options), loop.make_query(strategy, BATCH)


def begin(pool):
    return loop.start(MODEL, pool, INITIAL, capacity=len(INITIAL) + ROUNDS * BATCH)


def counting(function, traces):
    def counted(*arguments):
        traces.append(function.__name__)
        return function(*arguments)

    return jax.jit(counted)


@pytest.mark.parametrize("name", ["v_optimal", "badge", "margin"])
def test_scan_equals_the_host_loop_and_every_part_is_traced_once(name):
    pool, key, traces = problem(), jax.random.key(7), []
    learn, query = parts(getattr(strategies, name)(MODEL, LIKELIHOOD))
    final, learned, selections = jax.jit(
        lambda key, pool: loop.run(key, begin(pool), pool, learn=learn, query=query, rounds=ROUNDS)
    )(key, pool)

    host_learn, host_query = counting(learn, traces), counting(query, traces)
    state, accuracies, picks = begin(pool), [], []
    for number in range(ROUNDS + 1):
        key_learn, key_query = loop.round_keys(key, jnp.asarray(number))
        state, report = host_learn(key_learn, state, pool)
        accuracies.append(report.metrics)
        if number < ROUNDS:
            state, selection = host_query(key_query, state, pool)
            picks.append(selection.indices)
    assert sorted(traces) == ["learn", "query"]
    np.testing.assert_array_equal(selections.indices, np.stack(picks))
    np.testing.assert_allclose(learned.metrics, np.stack(accuracies))
    np.testing.assert_array_equal(final.labelled, state.labelled)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), final, state)

    labelled = np.asarray(final.labelled)
    np.testing.assert_array_equal(labelled, np.concatenate([INITIAL, *picks]))
    assert len(set(labelled)) == final.count == len(labelled)
    assert learned.metrics.shape == learned.steps.shape == (ROUNDS + 1,)


def test_labels_that_were_not_paid_for_do_not_matter():
    """The experiment is the same when all labels that it never bought are others."""
    pool = problem()
    _, query = parts(strategies.v_optimal(MODEL, LIKELIHOOD))
    learn = loop.make_learn(MODEL, alfi.training.fixed_steps(MODEL, LIKELIHOOD, steps=15), lambda variables: ())
    run = jax.jit(lambda pool: loop.run(jax.random.key(0), begin(pool), pool, learn=learn, query=query, rounds=ROUNDS))
    final, *_, selections = run(pool)
    bought = jnp.zeros(N, bool).at[final.labelled].set(True)
    *_, again = run(pool._replace(y=jnp.where(bought, pool.y, 2 - pool.y)))
    np.testing.assert_array_equal(again.indices, selections.indices)


def test_masked_hides_labels_and_takes_out_what_is_labelled():
    pool = problem(available=np.arange(N) < 20, population=jnp.ones(N))._replace(y=jnp.arange(2 * N).reshape(N, 2) + 1)
    seen = loop.masked(pool, begin(pool))
    labelled = np.isin(np.arange(N), INITIAL)
    np.testing.assert_array_equal(seen.labelled, labelled)
    np.testing.assert_array_equal(seen.available, ~labelled & (np.arange(N) < 20))
    np.testing.assert_array_equal(seen.y, np.where(labelled[:, None], pool.y, 0))


def test_failed_picks_are_labelled_as_nothing():
    """A strategy whose last picks, first picks and all picks fail, one round after another."""
    pool, failing = problem(), jnp.array([[4, N, N, 6], [N, N, 8, 9], [N, N, N, N]])
    rounds = iter(failing)
    strategy = alfi.Strategy(
        fit=lambda key, fitted, pool: fitted,
        select=lambda key, fitted, pool, batch_size: alfi.Selection(next(rounds), jnp.zeros(batch_size)),
    )
    query, state = loop.make_query(strategy, BATCH), begin(pool)
    for known in ([4, 6], [4, 6, 8, 9], [4, 6, 8, 9]):
        state, _ = query(jax.random.key(0), state, pool)
        assert state.labelled[: state.count].tolist() == [*INITIAL.tolist(), *known]
        assert np.all(np.asarray(state.labelled[state.count :]) == N)
        assert np.flatnonzero(loop.masked(pool, state).labelled).tolist() == sorted([*INITIAL.tolist(), *known])


def test_warm_start_trains_on_and_cold_start_does_not():
    """Without a step of training, the variables are where training began."""
    pool = problem()
    state = begin(pool)

    def train(key, variables, *rest):
        return alfi.training.Training(variables, jnp.asarray(0), jnp.asarray(1.0))

    def same(a, b):
        return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool(jnp.all(x == y)), a, b)))

    for warm in (True, False):
        learn = jax.jit(loop.make_learn(MODEL, train, lambda v: (), warm_start=warm))
        after, _ = learn(jax.random.key(5), state, pool)
        assert same(after.variables, state.variables) == warm


def test_diagnose_sees_the_trained_model_and_the_masked_pool():
    pool = problem()

    def report(fitted, seen):
        return (seen.labelled.sum(), fitted.variables)

    learn, _ = parts(strategies.random(MODEL, LIKELIHOOD), diagnose=report)
    after, learned = jax.jit(learn)(jax.random.key(0), begin(pool), pool)
    assert learned.diagnostics[0] == len(INITIAL)
    jax.tree.map(np.testing.assert_array_equal, learned.diagnostics[1], after.variables)


@pytest.mark.slow
def test_vmap_over_keys_equals_one_experiment_each():
    """Later rounds may part by rounding; in float64 on this problem they do not."""
    pool = problem()
    learn, query = parts(strategies.d_optimal(MODEL, LIKELIHOOD), steps=5)

    def run(key):
        return loop.run(key, begin(pool), pool, learn=learn, query=query, rounds=2)[2].indices

    keys = jax.random.split(jax.random.key(0), 3)
    np.testing.assert_array_equal(jax.jit(jax.vmap(run))(keys), np.stack([jax.jit(run)(key) for key in keys]))


@pytest.mark.parametrize(("capacity", "initial"), [(3, INITIAL), (N + 1, INITIAL)])
def test_start_refuses_what_does_not_fit(capacity, initial):
    with pytest.raises(ValueError, match=rf"initial \(4\) <= capacity \({capacity}\) <= pool \({N}\)"):
        loop.start(MODEL, problem(), initial, capacity)


def test_fresh_strategies_criteria_and_values_do_not_compile_again():
    """A criterion is an argument: another prior precision, another object, the same program."""
    traces = []
    factors = testing.dense(jax.random.key(0), 12, 2, 3)

    @jax.jit
    def pick(criterion, factors):
        traces.append(criterion)
        nothing = jnp.zeros(12)
        return selection.greedy()(
            jax.random.key(0), criterion, factors, nothing, nothing == 0, 2, population=nothing + 1
        ).indices

    for make in (criteria.d_optimal, criteria.v_optimal):
        for precision in (1.0, 0.1, 2, np.float32(3), jnp.asarray(4.0)):
            pick(make(prior_precision=precision), factors)
    assert len(traces) == 2
    pick(criteria.d_optimal(prior_precision=np.ones(3)), factors)
    pick(criteria.d_optimal(prior_precision=[1, 2, 3]), factors)
    assert len(traces) == 3
