import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi.models.convolution import by_patches, by_xla, convolve, max_pool

RNG = np.random.default_rng(0)


def images(*shape):
    return jnp.asarray(RNG.normal(size=shape))


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("form", [by_patches, convolve])
def test_both_forms_agree_with_their_derivatives(form, size):
    x, kernel, out = images(2, 7, 6, 3), images(size, size, 3, 4), images(2, 7, 6, 4)
    value, pull = jax.vjp(form, x, kernel)
    expected, expected_pull = jax.vjp(by_xla, x, kernel)
    np.testing.assert_allclose(value, expected, atol=1e-12)
    for a, b in zip(pull(out), expected_pull(out), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    tangent = jax.jvp(form, (x, kernel), (x * 2, kernel * 3))[1]
    np.testing.assert_allclose(tangent, 5 * expected, atol=1e-11)


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


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd"):
        convolve(images(1, 4, 4, 1), images(2, 2, 1, 1))


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (2, 7, 5, 3), (1, 2, 2, 1)])
def test_max_pool(shape):
    x = images(*shape)

    def windows(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    np.testing.assert_array_equal(max_pool(x), windows(x))
    out = images(*windows(x).shape)
    np.testing.assert_allclose(jax.vjp(max_pool, x)[1](out)[0], jax.vjp(windows, x)[1](out)[0])
