"""Fisher information of single inputs: to flag what is unusual or adversarial before an expert is asked to label it.

The trace of an input's Fisher information is the sum of ``fisher.ghost_traces``, or ``factors.squared_norms()``. Here
are the quadratic form in the direction that makes the network surer of its prediction, and maps of it over the input.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.ggn import for_each
from alfi.fisher.jacobian import choose
from alfi.fisher.roots import site_roots
from alfi.typing import Inputs, Likelihood, Variables


def fisher_form(
    apply: Callable,
    likelihood: Likelihood,
    variables: Any,
    x: Inputs,
    *,
    parameters: Callable[[str], bool] | None = None,
    chunk_size: int | None = None,
) -> Float[Array, " n"]:
    r"""``v^T F v`` of every input, with ``v = d log p(y^ | x) / d theta`` at the predicted label ``y^ = argmax f``.

    Exactly ``|B^T J v|^2``: one gradient and one Jacobian-vector product, where the published form has finite
    differences of the outputs. Large where a small step towards the prediction would change the outputs much.

    Parameters
    ----------
    apply
        ``(variables, x[n, ...]) -> outputs[n, *sites, c]``, rows independent: ``model.apply``. Outputs with sites have
        one predicted label at each.
    likelihood
        Of discrete labels.
    parameters
        Predicate of a leaf's path, as for ``fisher.jacobian``; the others are held fixed.
    chunk_size
        Inputs at once; default all. Memory: the gradients of a chunk.

    Raises
    ------
    ValueError
        If no parameter's path satisfies the predicate.

    Cost: about four passes of the network an input.

    Source: Martin & Elster 2020, doi 10.1016/j.neucom.2019.11.052.

    Examples
    --------
    >>> import alfi
    >>> apply = lambda w, x: x @ w
    >>> x = jnp.array([[1.0, 0.0], [3.0, 0.0]])
    >>> fisher_form(apply, alfi.likelihoods.categorical(), jnp.array([[0.0, 0.0], [0.0, 0.0]]), x).tolist()
    [0.25, 20.25]
    """
    theta, rebuild = choose(variables, parameters)

    def one(x: Array) -> Array:
        outputs, push = jax.linearize(lambda values: apply(rebuild(values), x[None])[0], theta)
        return _form(likelihood, outputs, push, _towards(likelihood, outputs, push, theta))

    return for_each(one, x, chunk_size)


def fisher_form_blocks(
    apply: Callable,
    likelihood: Likelihood,
    variables: Any,
    x: Inputs,
    *,
    chunk_size: int | None = None,
) -> dict[str, Float[Array, " n"]]:
    r"""``v_l^T F_ll v_l`` of every parameter tensor l by itself, ``{path: [n]}``.

    Their sum is the form with all of F but its diagonal blocks set to zero, which is what the published program
    computes, because it perturbs one tensor at a time.

    Parameters
    ----------
    apply, likelihood, chunk_size
        As for ``fisher_form``.

    Cost: one gradient, and a Jacobian-vector product for each tensor.

    Source: Martin & Elster 2020, doi 10.1016/j.neucom.2019.11.052, and its program.

    Examples
    --------
    >>> import alfi
    >>> apply = lambda params, x: x @ params["kernel"] + params["bias"][None]
    >>> params = {"kernel": jnp.zeros((1, 2)), "bias": jnp.zeros(2)}
    >>> forms = fisher_form_blocks(apply, alfi.likelihoods.categorical(), params, jnp.array([[2.0]]))
    >>> {path: form.tolist() for path, form in forms.items()}
    {"['bias']": [0.25], "['kernel']": [4.0]}
    """
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(_params(variables))[0]]
    theta, rebuild = choose(variables, None)
    sizes = [leaf.size for leaf in jax.tree.leaves(_params(variables))]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]

    def one(x: Array) -> dict[str, Array]:
        outputs, push = jax.linearize(lambda values: apply(rebuild(values), x[None])[0], theta)
        v = _towards(likelihood, outputs, push, theta)

        def of_block(start: int, size: int) -> Array:
            return _form(
                likelihood, outputs, push, jnp.zeros_like(v).at[start : start + size].set(v[start : start + size])
            )

        return {path: of_block(*block) for path, *block in zip(paths, starts, sizes, strict=True)}

    return for_each(one, x, chunk_size)


def sensitivity_map(
    apply: Callable,
    variables: Any,
    x: Inputs,
    *,
    against: str = "rest",
    chunk_size: int | None = None,
) -> Float[Array, "n ..."]:
    r"""Fisher information sensitivity: which parts of the input the form ``v^T F v`` hangs on. Same shape as x.

    ``sum_y (d_x d_v log p_y) (d_x d_v p_y)``, elementwise in x, with ``d_v`` the derivative along v in the parameters;
    v is that of ``fisher_form``, held fixed. For c classes from c logits.

    Parameters
    ----------
    apply
        ``(variables, x[n, ...]) -> logits[n, c]``.
    against
        "rest": the labels are "as predicted" and "another", as published; "all": every class is a label.

    Raises
    ------
    ValueError
        If ``against`` is another word, or x is not of real numbers.

    Cost: two, or c, second derivatives of the network an input.

    Source: Martin & Elster 2021, doi 10.1007/s10489-020-01925-8.

    Examples
    --------
    >>> apply = lambda w, x: x @ w
    >>> w, x = jnp.array([[1.0, -1.0], [0.0, 0.0]]), jnp.array([[2.0, 0.0]])
    >>> sensitivity_map(apply, w, x).shape
    (1, 2)
    """
    if against not in ("rest", "all"):
        raise ValueError(f"against is 'rest' or 'all'; got {against!r}.")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"a derivative in x needs x of real numbers; got {x.dtype}: give x.astype(float).")
    theta, rebuild = choose(variables, None)

    def log_p(values: Array, x: Array) -> Array:
        return jax.nn.log_softmax(apply(rebuild(values), x[None])[0])

    def one(x: Array) -> Array:
        predicted = jnp.argmax(log_p(theta, x))
        v = jax.grad(lambda values: log_p(values, x)[predicted])(theta)

        def along(x: Array) -> tuple[Array, Array]:
            def labels(values: Array) -> Array:
                logs = log_p(values, x)
                if against == "all":
                    return logs
                others = jnp.where(jnp.arange(logs.shape[0]) == predicted, -jnp.inf, logs)
                return jnp.stack([logs[predicted], jax.nn.logsumexp(others)])

            def both(values: Array) -> tuple[Array, Array]:
                logs = labels(values)
                return logs, jnp.exp(logs)

            return jax.jvp(both, (theta,), (v,))[1]

        of_log, of_p = jax.jacrev(along)(x)
        return jnp.sum(of_log * of_p, axis=0)

    return for_each(one, x, chunk_size)


def _towards(likelihood: Likelihood, outputs: Array, push: Callable, theta: Array) -> Float[Array, " p"]:
    """v, the gradient of the log-probability of the predicted label, or of the labels at all sites."""
    sites = outputs.reshape(-1, outputs.shape[-1])
    score = jax.vmap(jax.grad(likelihood.log_prob))(sites, jnp.argmax(sites, axis=-1))
    return jax.linear_transpose(push, theta)(score.reshape(outputs.shape))[0]


def _form(likelihood: Likelihood, outputs: Array, push: Callable, v: Float[Array, " p"]) -> Float[Array, ""]:
    sites = outputs.reshape(-1, outputs.shape[-1])
    roots = site_roots(likelihood, sites)
    seen = jnp.einsum("trc,tc->tr", roots, push(v).reshape(sites.shape), precision="highest")
    return jnp.sum(seen**2)


def _params(variables: Any) -> Any:
    return variables.params if isinstance(variables, Variables) else variables
