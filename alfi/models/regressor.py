"""Any network as a regressor, in the units of what it predicts."""

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from alfi.typing import Model


def regressor(
    backbone: Callable[[int], Model],
    targets: int = 1,
    *,
    log_variance: bool = False,
    location: float = 0.0,
    scale: float = 1.0,
) -> Model:
    r"""A model of real targets: ``mean = location + scale f``, and ``log variance = 2 log scale + g`` where asked for.

    Parameters
    ----------
    backbone
        ``outputs -> Model``: any network of this package, ``functools.partial(resnet18, stem="small")`` say.
    targets
        m. Outputs are m means, for ``likelihoods.gaussian``; or m means and m log-variances, for
        ``likelihoods.heteroscedastic_gaussian``.
    location, scale
        Of the targets, in their units (mean and standard deviation of the labelled ones): the network itself works in
        numbers about 1, with the same step sizes for every unit. ``head`` is that of the outputs as they are.

    Raises
    ------
    ValueError
        If ``targets`` or ``scale`` is not positive, or a number not finite.

    Source of the log-variance: Nix & Weigend 1994, doi 10.1109/ICNN.1994.374138.

    Examples
    --------
    >>> import alfi, jax
    >>> model, x = regressor(alfi.models.mlp, log_variance=True, location=120.0, scale=15.0), jnp.zeros((1, 4))
    >>> variables = model.init(jax.random.key(0), x)
    >>> print(model.apply(variables, x).round(2))
    [[120.     5.42]]
    """
    if targets < 1 or not scale > 0 or not np.isfinite([location, scale]).all():
        raise ValueError(
            f"regressor needs targets >= 1, scale > 0 and finite numbers; got {targets=}, {location=}, {scale=}."
        )
    model = backbone(2 * targets if log_variance else targets)
    factors = [scale] * targets + [1.0] * (targets if log_variance else 0)
    shifts = [location] * targets + [2 * math.log(scale)] * (targets if log_variance else 0)

    def in_units(outputs: Array) -> Array:
        axes = (1,) * (outputs.ndim - 1) + (-1,)
        return outputs * jnp.asarray(factors, outputs.dtype).reshape(axes) + jnp.asarray(shifts, outputs.dtype).reshape(
            axes
        )

    def first_in_units(function: Callable | None) -> Callable | None:
        def call(*args):
            outputs, *rest = function(*args)
            return (in_units(outputs), *rest)

        return function and call

    def head(variables):
        kernel, bias = model.head(variables)
        # in_units is affine: of a kernel, without the shift.
        return in_units(kernel) - in_units(jnp.zeros_like(kernel)), in_units(bias)

    return model._replace(
        apply=lambda *args: in_units(model.apply(*args)),
        stochastic=model.stochastic and (lambda *args: in_units(model.stochastic(*args))),
        train=first_in_units(model.train),
        train_taps=first_in_units(model.train_taps),
        head=model.head and head,
    )
