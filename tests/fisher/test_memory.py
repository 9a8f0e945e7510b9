"""What would not fit into the device is refused, with the memory it needs and what to use instead."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, design, fisher, likelihoods
from alfi.fisher import memory

P = 10**6
FACTORS = {
    "dense": lambda: fisher.DenseFactors(jax.ShapeDtypeStruct((2, 1, P), np.float32)),
    "last layer": lambda: fisher.LastLayerFactors(
        jax.ShapeDtypeStruct((2, 1, 1, 10), np.float32), jax.ShapeDtypeStruct((2, 1, P // 10), np.float32)
    ),
    "blocks": lambda: fisher.BlockFactors(jax.ShapeDtypeStruct((2, 1000, 1, 1000), np.float32)),
}
EXACT = {
    "d_optimal": criteria.d_optimal(),
    "v_optimal": criteria.v_optimal(),
    "a_optimal": criteria.a_optimal(),
    "c_optimal": criteria.c_optimal(np.ones(P)),
    "ds_optimal": criteria.ds_optimal([0]),
    "e_optimal": criteria.e_optimal(),
    "g_optimal": criteria.g_optimal(),
    "epig": criteria.epig(),
    "eig": criteria.eig(),
    "phi_p": criteria.phi_p(2.0),
    "from_matrix": criteria.from_matrix(jnp.trace),
}
SIZE = r"1000000 x 1000000: 16000 GB in float32, and the device has \d+ GB\. Use "


def start(criterion, factors):
    return jax.eval_shape(lambda data: criterion.init(data, jnp.zeros(2, np.float32), jnp.ones(2, np.float32)), factors)


@pytest.mark.parametrize("name", EXACT)
def test_exact_criteria(name):
    with pytest.raises(ValueError, match=SIZE + r".*last_layer.*sketch.*lanczos_quadrature"):
        start(EXACT[name], FACTORS["dense"]())


@pytest.mark.parametrize("kind", FACTORS)
def test_every_kind_of_factors(kind):
    with pytest.raises(ValueError, match=SIZE):
        jax.eval_shape(lambda data: data.information(jnp.ones(2, np.float32)), FACTORS[kind]())


def test_what_forms_no_matrix_goes_on():
    assert start(criteria.trace(), FACTORS["dense"]()).local.shape == (2,)
    assert start(criteria.min_distance(), FACTORS["last layer"]()).local is not None
    assert start(criteria.blockwise(criteria.d_optimal()), FACTORS["blocks"]()).local is not None


def test_the_front_door_and_the_solver_say_it_too():
    wide = fisher.LastLayerFactors(jnp.ones((2, 1, 1, 1000)), jnp.ones((2, 1, 1000)))
    calls = (
        lambda: alfi.select(criteria.d_optimal(), wide, 1),
        lambda: alfi.score(criteria.v_optimal(), wide),
        lambda: design.solve(criteria.d_optimal(), wide, budget=1.0),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"needs 4 matrices of 1000000 x 1000000"):
            call()


def test_the_jacobian_of_a_large_network():
    theta, x = (jax.ShapeDtypeStruct(shape, np.float32) for shape in ((1000, 10_000), (100_000, 1000)))
    factor_fn = fisher.jacobian(lambda w, x: x @ w, likelihoods.poisson())
    with pytest.raises(ValueError, match=r"100000 x 10000 x 10000000: 4\d*000 GB in float32.*sketched_jacobian"):
        jax.eval_shape(lambda w, x: factor_fn(jax.random.key(0), alfi.Fitted(w), alfi.pool(x)), theta, x)


def test_the_limit_is_that_of_the_device(monkeypatch):
    assert memory.device_memory() > 1e8
    factors = fisher.DenseFactors(jnp.ones((2, 1, 50)))
    monkeypatch.setattr(memory, "device_memory", lambda: 4 * 50 * 50 * 8.0)
    assert factors.information(jnp.ones(2)).shape == (50, 50)
    monkeypatch.setattr(memory, "device_memory", lambda: 4 * 50 * 50 * 8.0 - 1)
    with pytest.raises(ValueError, match="the information of 50 parameters needs 4 matrices of 50 x 50"):
        factors.information(jnp.ones(2))
