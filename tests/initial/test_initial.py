"""Initial sets: one battery for all, and each against what it is said to be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import embeddings, initial, testing

N, SIZE = 36, 6
LABELS = np.repeat([0, 1, 2], [18, 12, 6])
X = np.asarray(testing.normal(jax.random.key(0), (N, 4))) + 9.0 * LABELS[:, None]
IMAGES = np.random.default_rng(0).integers(0, 255, (N, 24, 20, 3), dtype=np.uint8)
D = np.linalg.norm(X[:, None] - X[None], axis=2)

SETS = {
    "random": (initial.random(), X),
    "stratified": (initial.stratified(LABELS), X),
    "farthest": (initial.farthest(), X),
    "k_center": (initial.k_center(), X),
    "k_means": (initial.k_means(), X),
    "typiclust": (initial.typiclust(), X),
    "prob_cover": (initial.prob_cover(clusters=3), X),
    "orb": (initial.orb(), IMAGES),
    "k_center of pixels": (initial.k_center(embeddings.pca(3)), IMAGES),
    "k_center of random features": (initial.k_center(embeddings.network(alfi.models.mlp(2, hidden=(8,)))), X),
}
names = pytest.mark.parametrize("name", SETS)


def draw(name, size=SIZE, key=0):
    choose, x = SETS[name]
    run = choose if name == "orb" else jax.jit(choose, static_argnums=2)
    return run(jax.random.key(key), jnp.asarray(x), size)


@names
def test_sets_are_different_rows_the_same_for_a_key(name):
    rows = draw(name)
    assert rows.shape == (SIZE,)
    assert jnp.issubdtype(rows.dtype, jnp.integer)
    assert len(set(rows.tolist())) == SIZE
    assert set(rows.tolist()) <= set(range(N))
    np.testing.assert_array_equal(rows, draw(name))


@pytest.mark.parametrize("name", ["random", "k_center", pytest.param("typiclust", marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [1, N])
def test_one_and_all(name, size):
    assert len(set(draw(name, size).tolist())) == size


@names
@pytest.mark.parametrize("size", [0, N + 1])
def test_a_size_that_the_pool_does_not_have(name, size):
    with pytest.raises(ValueError, match=rf"1 <= size <= {N}"):
        draw(name, size)


@pytest.mark.parametrize(("name", "reduce"), [("farthest", np.mean), ("k_center", np.min)])
def test_after_a_random_one_the_farthest(name, reduce):
    seen = set()
    for key in range(3):
        first, *rest = draw(name, key=key).tolist()
        chosen = [first]
        for row in rest:
            distance = reduce(D[:, chosen], axis=1)
            distance[chosen] = -1
            assert row == np.argmax(distance)
            chosen.append(row)
        seen.add(first)
    assert len(seen) > 1


@pytest.mark.parametrize("size", [3, 6, 7])
def test_strata_are_in_proportion_or_balanced(size):
    """Sainte-Lague: seats to the largest quotients of size by 1/2, 3/2, 5/2 ..."""
    order = sorted((-(m / (j + 0.5)), k) for k, m in enumerate([18, 12, 6]) for j in range(m))
    quotients = [quotient for quotient, _ in order]
    counts = np.bincount(LABELS[np.asarray(draw("stratified", size))], minlength=3)
    assert counts.sum() == size
    inside = [k for quotient, k in order[:size] if quotient < quotients[size]]  # beyond doubt
    assert np.all(counts >= np.bincount(inside, minlength=3))
    even = initial.stratified(LABELS, balanced=True)(jax.random.key(0), jnp.asarray(X), size)
    assert np.ptp(np.bincount(LABELS[np.asarray(even)], minlength=3)) <= 1


def test_strata_are_drawn_at_random():
    draws = jax.jit(jax.vmap(lambda key: initial.stratified(LABELS)(key, jnp.asarray(X), 6)))
    rows = np.asarray(draws(jax.random.split(jax.random.key(0), 4000)))
    counts, expected = np.bincount(rows.ravel(), minlength=N), 4000 * 6 / N
    assert np.all(np.abs(counts - expected) <= 5 * np.sqrt(expected))


@pytest.mark.parametrize("name", ["k_means", "typiclust"])
def test_clusters_have_one_each(name):
    """One of each class, which are far apart."""
    assert sorted(LABELS[np.asarray(draw(name, 3))]) == [0, 1, 2]


def test_of_k_means_the_nearest_to_the_mean():
    row = int(draw("k_means", 1)[0])
    assert row == np.argmin(((X - X.mean(axis=0)) ** 2).sum(axis=1))


@pytest.mark.parametrize("labels", [np.ones(N), np.zeros((N, 1), int)])
def test_strata_are_integers(labels):
    with pytest.raises(ValueError, match="integer labels"):
        initial.stratified(labels)


def test_strata_are_those_of_the_pool():
    with pytest.raises(ValueError, match=f"5 labels for {N} examples"):
        initial.stratified(LABELS[:5])(jax.random.key(0), jnp.asarray(X), 2)


# --- ORB


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def test_descriptors_are_the_mean_bits_of_the_keypoints():
    cv2 = pytest.importorskip("cv2")
    image = noise((1, 150, 200))
    _, bytes_ = cv2.ORB_create(nfeatures=40, fastThreshold=3).detectAndCompute(image[0], None)
    bits = np.array([[int(bit) for byte in row for bit in f"{byte:08b}"] for row in bytes_])
    np.testing.assert_allclose(initial.descriptors(image, keypoints=40)[0], bits.mean(axis=0), atol=1e-6)
    assert set(np.unique(initial.descriptors(image, rounded=True))) == {0.0, 1.0}


def test_images_without_keypoints_have_the_mean_descriptor():
    images = np.concatenate([noise((3, 40, 40)), np.full((1, 40, 40), 7, np.uint8)])
    pooled = initial.descriptors(images)
    np.testing.assert_allclose(pooled[3], pooled[:3].mean(axis=0), rtol=1e-6)
    assert np.abs(pooled[3] - pooled[0]).max() > 0
    with pytest.raises(ValueError, match="no keypoint in any of 2 images"):
        initial.descriptors(np.zeros((2, 40, 40)))


def test_small_images_are_enlarged():
    """At 28 pixels ORB itself finds nothing: its descriptors need 31 pixels to every side."""
    cv2 = pytest.importorskip("cv2")
    images = noise((2, 28, 28))
    assert cv2.ORB_create(fastThreshold=3).detectAndCompute(images[0], None)[1] is None
    pooled = initial.descriptors(images)
    assert np.abs(pooled[0] - pooled[1]).max() > 0.1


def test_brightness_and_type_do_not_matter():
    images = noise((3, 60, 64))
    images[0, 0, :2] = [0, 255]  # the whole range
    expected = initial.descriptors(images)
    np.testing.assert_array_equal(initial.descriptors(images / 255), expected)
    np.testing.assert_array_equal(initial.descriptors(images.astype(float) * 3 - 7), expected)
    np.testing.assert_array_equal(initial.descriptors(np.repeat(images[..., None], 3, axis=3)), expected)
    np.testing.assert_array_equal(initial.descriptors(images[..., None]), expected)


@pytest.mark.parametrize("shape", [(5, 64), (5, 8, 8, 2)])
def test_orb_needs_images(shape):
    with pytest.raises(ValueError, match="ORB needs images"):
        initial.descriptors(np.zeros(shape))
