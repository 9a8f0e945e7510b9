"""Learning Loss is the top of what the predictor says, and Confident Coreset takes the same scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import likelihoods, models, strategies
from alfi.strategies.learning_loss import predicted_losses

PLAIN, LIKELIHOOD = models.mlp(3, hidden=(6, 4)), likelihoods.categorical()
MODEL = models.predictor(PLAIN, steps=10, width=5)


def problem():
    x = jax.random.normal(jax.random.key(0), (30, 3))
    pool = alfi.pool(x, jnp.zeros(30, int), labelled=jnp.arange(30) < 4)
    return pool, alfi.Fitted(MODEL.init(jax.random.key(1), x))


def test_the_largest_predicted_losses():
    pool, fitted = problem()
    losses = np.asarray(MODEL.taps(fitted.variables, pool.x)["predicted_loss"])
    batch = strategies.learning_loss(MODEL, LIKELIHOOD).select(jax.random.key(2), fitted, pool, 5)
    assert batch.indices.tolist() == (4 + np.argsort(-losses[4:], kind="stable")[:5]).tolist()


def test_confident_coreset_of_predicted_losses_with_alpha_zero_is_learning_loss():
    pool, fitted = problem()
    both = (
        strategies.confident_coreset(MODEL, LIKELIHOOD, alpha=0.0, uncertainty=predicted_losses(MODEL)),
        strategies.learning_loss(MODEL, LIKELIHOOD),
    )
    picks = [strategy.select(jax.random.key(2), fitted, pool, 5).indices.tolist() for strategy in both]
    assert picks[0] == picks[1]


@pytest.mark.parametrize("model", [PLAIN, PLAIN._replace(taps=None)], ids=["taps", "no taps"])
def test_a_model_that_does_not_predict_its_loss(model):
    pool, fitted = problem()
    network = fitted._replace(variables=PLAIN.init(jax.random.key(0), pool.x))
    with pytest.raises(ValueError, match=r"alfi\.models\.predictor"):
        strategies.learning_loss(model, LIKELIHOOD).select(jax.random.key(2), network, pool, 5)
