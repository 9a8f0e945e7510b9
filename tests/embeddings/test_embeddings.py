"""Embeddings against NumPy; padding decides nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import embeddings, testing
from alfi.embeddings.as_factors import points_of, z_score

N = 30
X = np.asarray(testing.normal(jax.random.key(0), (N, 4, 3))) * np.linspace(1, 9, 3) + 50
POPULATION = np.r_[np.ones(20), np.full(5, 0.5), np.zeros(5)]


def distances(points):
    points = np.asarray(points)
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def embed(embedding, x=X, population=POPULATION, key=0):
    return jax.jit(embedding)(jax.random.key(key), jnp.asarray(x), jnp.asarray(population))


@pytest.mark.parametrize("components", [2, 5])
def test_pca_is_that_of_the_weighted_covariance(components):
    flat, real = X.reshape(N, -1), POPULATION > 0
    mean = np.average(flat, axis=0, weights=POPULATION)
    values, vectors = np.linalg.eigh(np.cov(flat[real].T, aweights=POPULATION[real], ddof=0))
    expected = (flat - mean) @ vectors[:, ::-1][:, :components]
    actual = embed(embeddings.pca(components))
    assert actual.shape == (N, components)
    np.testing.assert_allclose(distances(actual[real]), distances(expected[real]), atol=1e-2 * values[-1] ** 0.5)


def test_pca_of_all_components_keeps_distances_and_padding_decides_nothing():
    whole, padded = embed(embeddings.pca(100)), np.where(POPULATION[:, None, None] > 0, X, np.nan)
    real = POPULATION > 0
    assert whole.shape == (N, 12)
    np.testing.assert_allclose(distances(whole[real]), distances(X.reshape(N, -1)[real]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(embed(embeddings.pca(100), padded)[real], whole[real], rtol=1e-9, atol=1e-9)


def test_z_scores():
    points = np.concatenate([X[:, 0], np.full((N, 1), 0.1)], axis=1)
    scores = np.asarray(z_score(jnp.asarray(points), jnp.asarray(POPULATION)))
    np.testing.assert_allclose(np.average(scores, axis=0, weights=POPULATION), 0, atol=1e-12)
    np.testing.assert_allclose(np.average(scores**2, axis=0, weights=POPULATION), [1, 1, 1, 0], atol=1e-12)


@pytest.mark.slow
def test_a_network_is_its_own_features_or_random_ones():
    model = alfi.models.mlp(2, hidden=(6, 5))
    variables = model.init(jax.random.key(3), jnp.asarray(X))
    given = embed(embeddings.network(model, variables))
    np.testing.assert_allclose(given, model.features(variables, jnp.asarray(X)), rtol=1e-9)
    random = [embed(embeddings.network(model), key=key) for key in (0, 0, 1)]
    np.testing.assert_array_equal(random[0], random[1])
    assert random[0].shape == (N, 5)
    assert np.abs(random[0] - random[2]).max() > 1e-3
    with pytest.raises(ValueError, match="no `features`"):
        embeddings.network(model._replace(features=None))


def test_whole_numbers_become_real_ones():
    assert embed(embeddings.inputs(), np.ones((N, 2, 2), np.uint8)).dtype == np.float64
    assert embed(embeddings.inputs(), X.astype(np.float32)).dtype == np.float32


def test_points_are_of_dense_factors_only():
    with pytest.raises(ValueError, match="clusters need points"):
        points_of(testing.last_layer(jax.random.key(0), 4, 1, 2, 3))


def test_pca_needs_a_component():
    with pytest.raises(ValueError, match="components >= 1"):
        embeddings.pca(0)
