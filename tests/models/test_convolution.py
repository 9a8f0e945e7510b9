import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi.models.convolution import by_patches, by_xla, convolve, max_pool, max_pool_overlapping, upsample

RNG = np.random.default_rng(0)


def images(*shape):
    return jnp.asarray(RNG.normal(size=shape))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [(1, 1), (3, 3), (5, 3), (1,), (7,)], ids=str)
@pytest.mark.parametrize("form", [by_patches, convolve])
def test_both_forms_agree_with_their_derivatives(form, window, stride):
    sites = (7, 6)[: len(window)]
    x, kernel = images(2, *sites, 3), images(*window, 3, 4)
    out = images(2, *(-(-size // stride) for size in sites), 4)

    def differentiated(form):
        def function(x, kernel):
            return form(x, kernel, stride)

        value, pull = jax.vjp(function, x, kernel)
        return value, pull(out), jax.jvp(function, (x, kernel), (x * 2, kernel * 3))[1]

    value, pulled, tangent = jax.jit(differentiated, static_argnums=0)(form)
    expected, expected_pulled, _ = jax.jit(differentiated, static_argnums=0)(by_xla)
    np.testing.assert_allclose(value, expected, atol=1e-12)
    for a, b in zip(pulled, expected_pulled, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    np.testing.assert_allclose(tangent, 5 * expected, atol=1e-11)


def test_a_strided_convolution_is_every_second_output():
    """The padding is symmetric, as PyTorch's: XLA's "SAME" would begin at the second pixel of an even image."""
    x, kernel = images(1, 6, 7, 2), images(3, 3, 2, 4)
    np.testing.assert_allclose(convolve(x, kernel, 2), convolve(x, kernel)[:, ::2, ::2], atol=1e-12)


def test_under_jit_scan_vmap_and_grad():
    x, kernels = images(5, 2, 6, 6, 3), images(5, 3, 3, 3, 3)

    def loss(convolution, x, kernel):
        def step(x, _):
            return jnp.tanh(convolution(x, kernel)), None

        return (jax.lax.scan(step, x, None, length=3)[0] ** 2).sum()

    def gradients(convolution):
        return jax.jit(jax.vmap(jax.grad(lambda x, k: loss(convolution, x, k), argnums=(0, 1))))(x, kernels)

    for a, b in zip(gradients(convolve), gradients(by_xla), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_the_platform_decides():
    """The program for a CPU holds no convolution, the program for a GPU holds one, from the same function."""
    traced = jax.jit(jax.grad(lambda k, x: convolve(x, k).sum())).trace(images(3, 3, 3, 4), images(2, 7, 6, 3))
    assert "stablehlo.convolution" not in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "stablehlo.convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()


@pytest.mark.parametrize("window", [(2, 2), (3, 2), (3,)], ids=str)
def test_kernels_without_a_centre_or_an_axis_are_refused(window):
    with pytest.raises(ValueError, match="odd"):
        convolve(images(1, 4, 4, 1), images(*window, 1, 1))


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (2, 7, 5, 3), (1, 2, 2, 1)])
def test_max_pool(shape):
    x = images(*shape)

    def windows(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    np.testing.assert_array_equal(max_pool(x), windows(x))
    out = images(*windows(x).shape)
    np.testing.assert_allclose(jax.vjp(max_pool, x)[1](out)[0], jax.vjp(windows, x)[1](out)[0])


def test_max_pool_of_a_signal():
    x = images(2, 7, 3)
    np.testing.assert_array_equal(max_pool(x), np.maximum(x[:, 0:6:2], x[:, 1:6:2]))


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (2, 7, 5, 3), (1, 1, 2, 1)])
def test_overlapping_max_pool(shape):
    x = images(*shape)

    def windows(x):
        borders = ((0, 0), (1, 1), (1, 1), (0, 0))
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), borders)

    np.testing.assert_array_equal(max_pool_overlapping(x), windows(x))
    out = images(*windows(x).shape)
    pulled, expected = (jax.vjp(pool, x)[1](out)[0] for pool in (max_pool_overlapping, windows))
    np.testing.assert_allclose(pulled, expected)


@pytest.mark.parametrize("sizes", [(4, 6), (5, 7), (3, 5), (5, 6)])
def test_upsampling_undoes_either_rounding(sizes):
    x = images(2, 2, 3, 1)
    places = [np.minimum(np.arange(size) // 2, x.shape[axis] - 1) for axis, size in enumerate(sizes, 1)]
    np.testing.assert_array_equal(upsample(x, sizes), np.asarray(x)[:, places[0]][:, :, places[1]])
