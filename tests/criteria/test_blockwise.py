"""A criterion over blocks against the same criterion of the block-diagonal matrix written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, selection, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

N = 9
CRITERIA = {"d_optimal": criteria.d_optimal, "v_optimal": criteria.v_optimal}
SHAPES = {"blocks": (3, 2, 2), "diagonal": (6, 1, 1)}
WEIGHTS, POPULATION = np.r_[1.0, 0.3, np.zeros(N - 2)], np.linspace(0.5, 1.5, N)


@pytest.mark.parametrize("make", CRITERIA.values(), ids=CRITERIA)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_equals_the_criterion_of_the_whole_matrix(make, shape, getkey, close):
    factors = testing.blocks(getkey(), N, *shape)

    @jax.jit
    def follow(criterion, factors):
        state = criterion.init(factors, jnp.asarray(WEIGHTS), jnp.asarray(POPULATION))
        seen = []
        for index, weight in ((4, 1.0), (2, 0.5), (4, -1.0), (7, 0.0)):
            now = [
                criterion.gain(factors, state, weight),
                criterion.value(state),
                criterion.sensitivity(factors, state),
            ]
            seen.append([*now, criterion.value(criterion.refresh(factors, state))])
            point = factors.take(jnp.array([index]))
            state = criterion.update(factors, state, jnp.array(index), point, weight)
        return seen

    whole = make(prior_precision=0.4)
    dense = testing.DenseFactors(jnp.asarray(testing.write_out(factors)))
    got, want = follow(criteria.blockwise(whole), factors), follow(whole, dense)
    jax.tree.map(close, got, want)


def test_rules_pick_as_from_the_whole_matrix(getkey):
    factors = testing.blocks(getkey(), N, 3, 2, 2)
    dense = testing.DenseFactors(jnp.asarray(testing.write_out(factors)))
    options = {"weights": WEIGHTS, "population": POPULATION, "rule": selection.forward_backward()}
    want = alfi.select(criteria.v_optimal(), dense, 3, **options)
    got = alfi.select(criteria.blockwise(criteria.v_optimal()), factors, 3, **options)
    np.testing.assert_array_equal(got.indices, want.indices)
    np.testing.assert_allclose(got.gains, want.gains, rtol=1e-9)
