"""Problems with known answers, and oracles: brute force in NumPy float64, written to be read and not to be fast.

For the tests of the library, and for yours: ``from alfi import testing``. Oracles work on factors that are written out
as one array [n, r, p] and take an objective ``value(M[..., p, p]) -> [...]`` of the information matrix.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from alfi.fisher.blocks import BlockFactors
from alfi.fisher.factors import DenseFactors, LastLayerFactors
from alfi.typing import Factors, Likelihood, Model, PRNGKey, Variables

# (M[..., p, p]) -> [...]
Objective = Callable[[np.ndarray], Any]


# --- problems


def dense(key: PRNGKey, n: int, r: int, p: int, dtype: Any = float) -> DenseFactors:
    """Normal factors of unit variance."""
    return DenseFactors(normal(key, (n, r, p), dtype))


def last_layer(key: PRNGKey, n: int, r: int, c: int, d: int, sites: int = 1, dtype: Any = float) -> LastLayerFactors:
    """Normal roots and features: factors of rank ``sites r`` in ``c d`` parameters."""
    key_roots, key_features = jax.random.split(key)
    return LastLayerFactors(normal(key_roots, (n, sites, r, c), dtype), normal(key_features, (n, sites, d), dtype))


def blocks(key: PRNGKey, n: int, b: int, r: int, q: int, dtype: Any = float) -> BlockFactors:
    """Normal factors of b blocks of q parameters."""
    return BlockFactors(normal(key, (n, b, r, q), dtype))


def normal(key: PRNGKey, shape: Sequence[int], dtype: Any = float) -> jax.Array:
    """As ``jax.random.normal`` with other numbers: drawn on the host, where nothing is compiled for a new shape."""
    draws = np.random.default_rng(np.asarray(jax.random.key_data(key))).standard_normal(shape)
    return jnp.asarray(draws.astype(dtype))


def one_hot(scales: Any) -> DenseFactors:
    """Candidate i sees parameter i alone, ``A_i = a_i e_i^T``: every criterion has a closed form.

    >>> one_hot([1.0, 2.0]).array.tolist()
    [[[1.0, 0.0]], [[0.0, 2.0]]]
    """
    return DenseFactors(jnp.diag(jnp.asarray(scales, float))[:, None, :])


def network(outputs: int, hidden: int = 4) -> Model:
    """A network with one hidden layer as plain functions: inputs [n, *sites, q] give outputs [n, *sites, c]."""

    def init(key, x):
        keys, q = jax.random.split(key, 4), x.shape[-1]
        shapes = {"body": (q, hidden), "offset": (hidden,), "kernel": (hidden, outputs), "bias": (outputs,)}
        draw = {name: jax.random.normal(k, shapes[name], x.dtype) for k, name in zip(keys, shapes, strict=True)}
        return Variables({"body": [draw["body"], draw["offset"]], "head": {k: draw[k] for k in ("kernel", "bias")}})

    def features(variables, x):
        body, offset = variables.params["body"]
        return jnp.tanh(x @ body + offset.reshape((1,) * (x.ndim - 1) + (-1,)))

    def head(variables):
        return variables.params["head"]["kernel"], variables.params["head"]["bias"]

    def apply(variables, x):
        kernel, bias = head(variables)
        return features(variables, x) @ kernel + bias.reshape((1,) * (x.ndim - 1) + (-1,))

    return Model(init=init, apply=apply, features=features, head=head)


# --- oracles of information


def write_out(factors: Factors) -> np.ndarray:
    """Factors as one float64 array [n, r, p]."""
    if isinstance(factors, DenseFactors):
        return np.asarray(factors.array, float)
    if isinstance(factors, BlockFactors):
        n, b, r, q = factors.array.shape
        return np.einsum("nbrq,bk->nbrkq", np.asarray(factors.array, float), np.eye(b)).reshape(n, b * r, b * q)
    assert isinstance(factors, LastLayerFactors)
    roots, features = (np.asarray(piece, float) for piece in factors)
    n, t, r, c = roots.shape
    return np.einsum("ntrc,ntd->ntrcd", roots, features).reshape(n, t * r, c * features.shape[2])


def fisher(array: np.ndarray) -> np.ndarray:
    """``A_i^T A_i`` of every example, [n, p, p]."""
    return np.einsum("nrp,nrq->npq", array, array)


def information(array: np.ndarray, weights: Any, prior_precision: Any = 0.0) -> np.ndarray:
    """``M_0 + sum_i w_i A_i^T A_i`` with M_0 from a number, a diagonal [p] or a matrix [p, p]."""
    prior = np.asarray(prior_precision, float)
    prior = prior if prior.ndim == 2 else np.diag(np.broadcast_to(prior, array.shape[2]))
    return prior + np.einsum("n,npq->pq", np.asarray(weights, float), fisher(array))


# Labels and their probabilities, so that a sum over them is the exact expectation of a score's outer product.


def every_class(f: jax.Array) -> tuple[jax.Array, jax.Array]:
    """All classes of a categorical likelihood with logits [c]."""
    return jnp.arange(f.shape[0]), jax.nn.softmax(f)


def normal_points(scale: float) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """2 c points with mean f and covariance scale^2 I: the score is linear in y, so no other moment counts."""

    def labels(f):
        offsets = scale * jnp.sqrt(f.shape[0]) * jnp.eye(f.shape[0], dtype=f.dtype)
        points = f[None] + jnp.concatenate([offsets, -offsets])
        return points, jnp.full(len(points), 1 / len(points), f.dtype)

    return labels


def correlated_points(covariance: Any) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """As ``normal_points``, with a covariance [c, c]."""
    half = np.linalg.cholesky(np.asarray(covariance, float))

    def labels(f):
        points, probabilities = normal_points(1.0)(jnp.zeros_like(f))
        return f[None] + points @ half.T, probabilities

    return labels


def heteroscedastic_points(f: jax.Array) -> tuple[jax.Array, jax.Array]:
    """For means and log-variances ``f = [mu, rho]``: 3^m points, exact for scores squared."""
    mean, log_variance = jnp.split(f, 2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    points, masses = (
        np.stack(np.meshgrid(*[x] * len(mean)), axis=-1).reshape(-1, len(mean))
        for x in (nodes, weights / weights.sum())
    )
    return mean[None] + jnp.exp(log_variance / 2)[None] * points, jnp.asarray(masses.prod(axis=1), f.dtype)


def every_answer(f: jax.Array) -> tuple[jax.Array, jax.Array]:
    """No and yes, for one logit [1]."""
    return jnp.arange(2), jnp.concatenate([jax.nn.sigmoid(-f), jax.nn.sigmoid(f)])


def every_set_of_labels(f: jax.Array) -> tuple[jax.Array, jax.Array]:
    """All 2^c answers to c independent questions with logits [c]."""
    answers = jnp.arange(2 ** len(f))[:, None] >> jnp.arange(len(f))[None] & 1
    return answers, jnp.prod(jax.nn.sigmoid(jnp.where(answers == 1, f[None], -f[None])), axis=1)


def every_grade(cutpoints: Sequence[float]) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """All grades between the cutpoints, for one score [1]."""

    def labels(f):
        below = jax.nn.sigmoid(jnp.asarray([-np.inf, *cutpoints, np.inf], f.dtype) - f)
        return jnp.arange(len(cutpoints) + 1), jnp.diff(below)

    return labels


def counts(most: int) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """Counts 0 ... most, for one log-rate [1]; ``most`` so large that what is beyond does not matter."""

    def labels(f):
        y = jnp.arange(most + 1)
        return y, jnp.exp(y * f - jnp.exp(f) - jax.scipy.special.gammaln(y + 1.0))

    return labels


def network_fisher(apply: Callable, likelihood: Likelihood, labels: Callable, params: Any, x: jax.Array) -> jax.Array:
    """Fisher information of all parameters by its definition and autodiff alone: [n, p, p], summed over sites.

    ``sum_y p(y) g g^T`` with ``g`` the gradient of ``log p(y | f(params, x))``, for each site; parameters in the order
    of ``ravel_pytree``; ``apply(params, x[n, ...]) -> outputs[n, *sites, c]``.
    """
    theta, rebuild = ravel_pytree(params)

    def sites(theta, row):
        outputs = apply(rebuild(theta), row[None])[0]
        return outputs.reshape(-1, outputs.shape[-1])

    def one(row):
        def of_site(site, f):
            ys, probabilities = labels(f)
            scores = jax.vmap(lambda y: jax.grad(lambda t: likelihood.log_prob(sites(t, row)[site], y))(theta))(ys)
            return jnp.einsum("y,yp,yq->pq", probabilities, scores, scores, precision="highest")

        f = sites(theta, row)
        return jax.vmap(of_site)(jnp.arange(len(f)), f).sum(axis=0)

    return jax.jit(jax.vmap(one))(x)


# --- oracles of criteria and selection


def log_det(m: np.ndarray) -> Any:
    """D-optimality, ``log det M``."""
    return np.linalg.slogdet(m)[1]


def minus_variance(target: np.ndarray) -> Objective:
    """V-optimality, ``-tr(M^-1 F)`` for the target F."""
    return lambda m: -np.trace(np.linalg.solve(m, np.broadcast_to(target, m.shape)), axis1=-2, axis2=-1)


def greedy(
    value: Objective,
    start: np.ndarray,
    array: np.ndarray,
    available: Any,
    batch_size: int,
    *,
    groups: Any = None,
    costs: Any = 1.0,
) -> tuple[list[int], list[float]]:
    """Picks and gains of step-by-step greedy search from the information ``start``, every gain from its definition."""
    m, available, each = start, np.array(available), fisher(array)
    groups = np.arange(len(array)) if groups is None else np.asarray(groups)
    picks, gains = [], []
    for _ in range(batch_size):
        gain = np.where(available, (value(m + each) - value(m)) / costs, -np.inf)
        picks.append(int(np.argmax(gain)))
        gains.append(float(gain[picks[-1]]))
        m = m + each[picks[-1]]
        available &= groups != groups[picks[-1]]
    return picks, gains


def forward_backward(
    value: Objective, start: np.ndarray, array: np.ndarray, available: Any, batch_size: int, oversample: int = 2
) -> list[int]:
    """BAIT's search: greedy picks of ``oversample`` batches, then the point that is missed least goes, one by one."""
    kept, _ = greedy(value, start, array, available, oversample * batch_size)
    each = fisher(array)
    while len(kept) > batch_size:
        m = start + each[kept].sum(axis=0)
        kept.pop(int(np.argmin(value(m) - value(m - each[kept]))))
    return kept


def squared_distances(array: np.ndarray) -> np.ndarray:
    """``|A_i - A_j|^2`` [n, n]."""
    return np.sum((array[:, None] - array[None]) ** 2, axis=(2, 3))


def k_center(array: np.ndarray, chosen: Any, available: Any, batch_size: int) -> list[int]:
    """Greedy k-center: always the point farthest from its nearest chosen one."""
    chosen, available, distances = list(chosen), np.array(available), squared_distances(array)
    for _ in range(batch_size):
        nearest = distances[:, chosen].min(axis=1) if chosen else np.full(len(array), np.inf)
        chosen.append(int(np.argmax(np.where(available, nearest, -np.inf))))
        available[chosen[-1]] = False
    return chosen[-batch_size:]


def d2_probabilities(array: np.ndarray, chosen: Any, available: Any) -> np.ndarray:
    """Probability of every ordered pair (first, second) of k-means++ draws, [n, n]."""
    distances, available = squared_distances(array), np.array(available)

    def draw(chosen, available):
        nearest = distances[:, chosen].min(axis=1) if chosen else np.ones(len(array))
        mass = np.where(available, nearest, 0)
        return mass / mass.sum()

    first = draw(list(chosen), available)
    second = [draw([*chosen, i], available & (np.arange(len(array)) != i)) for i in range(len(array))]
    return first[:, None] * np.stack(second)
