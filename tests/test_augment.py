"""Augmentation: against NumPy, masks with their images, labels balanced, and through the rules of training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from alfi import augment, likelihoods
from alfi.models import mlp
from alfi.training import fixed_steps

KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
IMAGES = jnp.asarray(RNG.random((16, 6, 6, 2)), jnp.float32)
LABELS = jnp.arange(16)
MOVES = {"flip": augment.flip(), "shift": augment.shift(2), "rotate": augment.rotate(40), "crop": augment.crop(0.5)}


@pytest.mark.parametrize("name", MOVES)
def test_masks_move_with_their_images_and_labels_stay(name):
    square = jnp.zeros((16, 12, 12), int).at[:, 3:8, 2:9].set(1)
    move = jax.jit(MOVES[name])
    image, mask = move(KEY, square[..., None].astype(jnp.float32), square)
    assert mask.dtype == square.dtype
    assert set(np.unique(mask)) == {0, 1}
    # The nearest of the four pixels between which is interpolated has at least a quarter of the weight.
    assert image[..., 0][mask == 1].min() > 0.25 - 1e-4
    assert image[..., 0][mask == 0].max() < 0.75 + 1e-4
    assert len(np.unique(np.asarray(mask), axis=0)) > 2 or name == "flip"
    _, labels = move(KEY, IMAGES, LABELS)
    np.testing.assert_array_equal(labels, LABELS)


def test_flips_are_the_four_mirror_images():
    flipped = np.asarray(augment.flip()(KEY, IMAGES, LABELS)[0])
    seen = set()
    for image, got in zip(np.asarray(IMAGES), flipped, strict=True):
        mirrored = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
        seen.add([np.array_equal(got, other) for other in mirrored].index(True))
    assert seen == {0, 1, 2, 3}
    upright = augment.flip(vertical=False)(KEY, IMAGES, LABELS)[0]
    np.testing.assert_allclose(upright.sum(axis=2), IMAGES.sum(axis=2), rtol=1e-5)


def test_shifts_are_those_of_numpy():
    moved = np.asarray(augment.shift(2)(KEY, IMAGES, LABELS)[0])
    for image, got in zip(np.asarray(IMAGES), moved, strict=True):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")
        windows = [padded[i : i + 6, j : j + 6] for i in range(5) for j in range(5)]
        assert any(np.array_equal(got, window) for window in windows)


@pytest.mark.slow
def test_rotation_and_crop_stay_within_the_image_and_do_nothing_at_zero():
    for still in (augment.rotate(0.0), augment.crop(1.0), augment.shift(0)):
        np.testing.assert_allclose(still(KEY, IMAGES, LABELS)[0], IMAGES, atol=1e-6)
    ramp = jnp.broadcast_to(jnp.arange(9.0)[None, :, None, None], (16, 9, 9, 1))
    window = np.asarray(augment.crop(0.5)(KEY, ramp, LABELS)[0])[..., 0, 0]
    steps = np.diff(window, axis=1)  # a linear ramp, enlarged, is one of a smaller slope
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1], steps.shape), atol=1e-4)
    assert ((steps[:, 0] >= 0.5 - 1e-5) & (steps[:, 0] <= 1)).all()


def test_signals():
    x = jnp.asarray(RNG.normal(size=(400, 20, 2)))
    shifted = np.asarray(augment.time_shift(3)(KEY, x, jnp.zeros(400))[0])
    padded = np.pad(np.asarray(x), ((0, 0), (3, 3), (0, 0)), mode="edge")
    which = [[np.array_equal(shifted[i], padded[i, s : s + 20]) for s in range(7)].index(True) for i in range(400)]
    assert set(which) == set(range(7))
    ratio = np.asarray(augment.amplitude(0.1)(KEY, x, jnp.zeros(400))[0] / x)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1, :1], ratio.shape), rtol=1e-9)
    assert np.log(ratio[:, 0, 0]).std() == pytest.approx(0.1, rel=0.15)
    assert float((augment.noise(0.3)(KEY, x, jnp.zeros(400))[0] - x).std()) == pytest.approx(0.3, rel=0.05)


def test_a_chain_uses_a_key_for_each():
    x = jnp.zeros((4, 9))
    twice = augment.chain(augment.noise(1.0), augment.noise(1.0))(KEY, x, jnp.zeros(4))[0]
    parts = [augment.noise(1.0)(jax.random.fold_in(KEY, i), x, jnp.zeros(4))[0] for i in (0, 1)]
    np.testing.assert_allclose(twice, parts[0] + parts[1], rtol=1e-6)


Y = jnp.asarray([2, 0, 0, 2, 0, 0, 3, 0, 1, 1])
INDICES = jnp.asarray([1, 2, 4, 5, 7, 0, 3, 6, 10, 10])  # labelled: five 0, two 2, one 3; behind them no rows


def test_a_share_is_balanced_and_the_rest_is_not():
    y, indices = jnp.array([0, 0, 0, 1, 1]), jnp.arange(5)
    for share, expected in ((0.0, 0.25), (0.5, 0.375), (1.0, 0.5)):
        slots = augment.balanced(2, share)(KEY, y, indices, 4, (20_000,))
        assert slots.max() == 3
        np.testing.assert_allclose(y[slots].mean(), expected, atol=0.015)
    with pytest.raises(ValueError, match="share"):
        augment.balanced(2, 1.5)


def test_balanced_draws_classes_alike_and_only_what_is_labelled():
    slots = jax.jit(lambda key: augment.balanced(5)(key, Y, INDICES, 8, (30, 200)))(KEY)
    assert slots.shape == (30, 200)
    assert set(np.unique(slots)) == set(range(8))
    shares = np.bincount(np.asarray(Y[INDICES[slots]]).reshape(-1), minlength=4) / 6000
    np.testing.assert_allclose(shares, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.03)


@pytest.mark.parametrize("capacity", [40, 11])
def test_balance_keeps_the_originals_and_fills_up_to_parity(capacity):
    x = jnp.arange(10.0)[:, None]
    negative = lambda key, x, y: (-x - 1, y)  # noqa: E731  # the copies can be told from the originals
    filled = jax.jit(
        lambda count: augment.balance(KEY, x, Y, INDICES, count, classes=5, augment=negative, capacity=capacity)
    )(8)
    new_x, new_y, slots, count = filled
    np.testing.assert_array_equal(slots, np.arange(capacity))
    assert count == min(15, capacity)  # three classes of five
    np.testing.assert_array_equal(new_x[:8], x[INDICES[:8]])
    np.testing.assert_array_equal(new_y[:8], Y[INDICES[:8]])
    copies = np.asarray(-new_x[8 : int(count), 0] - 1).astype(int)
    np.testing.assert_array_equal(new_y[8 : int(count)], Y[copies])
    assert set(copies) <= {0, 3, 6}
    if capacity == 40:
        assert np.bincount(new_y[:15]).tolist() == [5, 0, 5, 5]


def test_training_augments_minibatches_and_not_what_it_evaluates():
    """An augmentation that puts other labels: they are learnt, and the true ones are counted."""
    x, y = jnp.asarray(RNG.normal(size=(20, 3)), jnp.float32), jnp.zeros(20, int)
    model = mlp(2, hidden=(4,))
    train = jax.jit(
        fixed_steps(model, likelihoods.categorical(), optax.adam(0.05), augment=lambda key, x, y: (x, 1 - y))
    )
    trained = train(KEY, model.init(KEY, x), x, y, jnp.arange(20), 20)
    assert trained.accuracy == 0
    assert (model.apply(trained.variables, x).argmax(axis=1) == 1).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: augment.shift(-1),
        lambda: augment.rotate(200),
        lambda: augment.crop(0.0),
        lambda: augment.time_shift(-1),
        lambda: augment.amplitude(-1),
        lambda: augment.noise(-1),
        lambda: augment.balance(
            KEY, jnp.ones((9, 1)), Y[:9], jnp.arange(9), 9, classes=4, augment=augment.noise(0.1), capacity=3
        ),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(ValueError, match="got"):
        make()
