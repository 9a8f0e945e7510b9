"""A plain function as a ``Model``."""

from collections.abc import Callable

from jaxtyping import Array, PyTree

from alfi.typing import Inputs, Model, PRNGKey, Variables


def from_function(
    apply: Callable[[PyTree, Inputs], Array],
    *,
    init: Callable[[PRNGKey, Inputs], PyTree] | None = None,
    features: Callable[[PyTree, Inputs], Array] | None = None,
    taps: Callable[[PyTree, Inputs], dict[str, Array]] | None = None,
    stochastic: Callable[[PRNGKey, PyTree, Inputs], Array] | None = None,
    head: Callable[[PyTree], tuple[Array, Array]] | None = None,
) -> Model:
    """A ``Model`` from plain functions of ``(params, x)``; it has no state, and trains as it evaluates.

    Parameters
    ----------
    apply
        ``(params, x[n, ...]) -> outputs[n, *sites, c]``, rows independent.
    init
        ``(key, x) -> params``. Without it ``Model.init`` raises ``ValueError``: the parameters come from elsewhere.
    features, taps
        ``(params, x) -> ...`` as in ``Model``.
    stochastic
        ``(key, params, x) -> outputs``, with the masks of one key shared by all rows.
    head
        ``(params) -> (kernel[d, c], bias[c])``.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from alfi.typing import Variables
    >>> model = from_function(lambda params, x: x @ params)
    >>> model.apply(Variables(jnp.eye(3)[:, :2]), jnp.ones((5, 3))).shape
    (5, 2)
    """

    def no_init(key: PRNGKey, x: Inputs) -> Variables:
        raise ValueError("this model was made without `init`: give its variables, or from_function(apply, init=...)")

    def of_params(function):
        return function and (lambda variables, *x: function(variables.params, *x))

    return Model(
        init=no_init if init is None else lambda key, x: Variables(init(key, x)),
        apply=of_params(apply),
        features=of_params(features),
        taps=of_params(taps),
        stochastic=stochastic and (lambda key, variables, x: stochastic(key, variables.params, x)),
        train=lambda key, variables, x: (apply(variables.params, x), variables.state),
        head=of_params(head),
        train_taps=taps
        and (lambda key, variables, x: (apply(variables.params, x), taps(variables.params, x), variables.state)),
    )
