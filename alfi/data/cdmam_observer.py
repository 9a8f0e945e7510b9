"""An observer of contrast-detail cells who knows disc and places: what an image of that quality can show."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from alfi.data.cdmam import MAGNIFICATION, PITCH, Condition, Real, blur_transfer, centres, disc, gold, noise_transfer

DPRIME = 1.235  # of 62.5 % correct among four: the mean over z ~ N(d', 1) of Phi(z)^3 is .625
GRID = 96  # pixels; twice the largest disc, and even


def template_scores(images: Float[Array, "n size size"], condition: Condition, diameter: Real) -> Float[Array, "n 4"]:
    """How much each corner looks as if it held the disc: minus the inner product with the template of the disc there.

    The template is the best linear one, ``K^-1 s``: s the blurred disc, K the covariance of the noise. ``argmax`` is
    the answer of the observer. Minus: gold is darker than its surroundings.

    Example: ``template_scores(images, Condition(), 0.5).argmax(1)``
    """
    size = images.shape[-1]
    templates = [_template(condition, diameter, centres(corner, size)[1], size) for corner in range(4)]
    return -jnp.einsum("nyx,kyx->nk", images, jnp.stack(templates), precision="highest")


def detectability(condition: Condition, diameter: Real, thickness: Real) -> Float[Array, ""]:
    """d' of the template observer: ``background (1 - scatter) c sqrt(s^T K^-1 s)``.

    s is the blurred disc, K the covariance of the noise and ``c = 1 - exp(-gold(energy) thickness)`` the contrast of
    the disc. Cost: three FFTs of 96 x 96.

    >>> f"{detectability(Condition(), diameter=0.5, thickness=0.033):.2f}"
    '1.24'
    """
    return _of_full_contrast(condition, diameter) * -jnp.expm1(-gold(condition.energy) * thickness)


def threshold(condition: Condition, diameter: Real, dprime: Real = DPRIME) -> Float[Array, ""]:
    """Thickness in um at which the template observer reaches ``dprime`` (1.235: 62.5 % correct); inf where none does.

    The contrast threshold of the imaging condition: the measure of image quality for which CDMAM phantoms are made.

    Source: Kretz et al., Physica Medica 2019, doi 10.1016/j.ejmp.2019.05.006; 62.5 %: European guidelines for quality
    assurance in breast cancer screening and diagnosis, 4th ed. 2006.

    >>> [f"{threshold(Condition(), d):.4f}" for d in (2.0, 1.0, 0.5, 0.25, 0.1)]
    ['0.0078', '0.0159', '0.0329', '0.0724', '0.2602']
    """
    contrast = dprime / _of_full_contrast(condition, diameter)
    return -jnp.log1p(-jnp.minimum(contrast, 1)) / gold(condition.energy)


def estimate_threshold(
    images: Float[Array, "n size size"], diameter: Real, thickness: Real, corner: Int[Array, " n"]
) -> Float[Array, " n"]:
    """What the template observer makes of ``threshold`` from one image each, of known discs: a yardstick for networks.

    The template (of the default condition) is applied at the two discs and everywhere beside them: d' is the mean
    score at the discs, less the mean beside, over the s.d. beside; the threshold follows, contrast for contrast.

    Example: ``estimate_threshold(cell(key, condition, 0.25, 1.0, 0)[None], 0.25, 1.0, jnp.array([0]))``
    """
    size = images.shape[-1]
    margin = diameter * MAGNIFICATION / PITCH + 4  # two radii, and two pixels for each blurred edge
    pixels = jnp.arange(size)
    at_zero = _template(Condition(), diameter, jnp.zeros(2), size)

    def observed(image, corner):
        places = jnp.stack(centres(corner, size))
        apart = jnp.abs(pixels[None, :, None] - places[:, None, :])  # disc, pixel, axis; the image is periodic
        apart = jnp.minimum(apart, size - apart)
        beside = (jnp.hypot(apart[:, :, None, 0], apart[:, None, :, 1]) > margin).all(0)
        everywhere = -jnp.fft.irfft2(jnp.fft.rfft2(image) * jnp.conj(jnp.fft.rfft2(at_zero)), (size, size))
        level, spread = everywhere.mean(where=beside), everywhere.std(where=beside)
        templates = jax.vmap(lambda place: _template(Condition(), diameter, place, size))(places)
        return (-jnp.einsum("yx,kyx->k", image, templates, precision="highest").mean() - level) / spread

    energy = Condition().energy
    contrast = -jnp.expm1(-gold(energy) * thickness)
    needed = DPRIME / jax.vmap(observed)(images, corner) * contrast
    return -jnp.log1p(-jnp.clip(needed, 0, 1)) / gold(energy)


def _template(condition, diameter, place, size):
    """``K^-1 s`` of a disc at ``place``, for noise of unit s.d.; periodic."""
    whole = jnp.round(place).astype(int) - size // 2
    covered = jnp.roll(disc(diameter, place - whole, size), whole, (0, 1))
    transfer = blur_transfer(condition.blur, size) / noise_transfer(size) ** 2
    return jnp.fft.irfft2(jnp.fft.rfft2(covered) * transfer, (size, size))


def _of_full_contrast(condition, diameter):
    """d' of a disc that lets nothing through."""
    middle = jnp.full(2, GRID / 2)
    template = _template(condition, diameter, middle, GRID)
    transfer = blur_transfer(condition.blur, GRID)
    blurred = jnp.fft.irfft2(jnp.fft.rfft2(disc(diameter, middle, GRID)) * transfer, (GRID, GRID))
    return condition.background * (1 - condition.scatter) / condition.noise * jnp.sqrt((template * blurred).sum())
