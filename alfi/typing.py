"""The vocabulary: every protocol and named tuple of the library, and nothing else.

Axes in annotations and docstrings: ``n`` pool, ``t`` sites (pixels; 1 for classification), ``c`` outputs, ``r`` rank,
``p`` parameters, ``d`` features, ``k`` selected.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

PRNGKey = Key[Array, ""]
Inputs = Shaped[Array, "n ..."]
Outputs = Float[Array, "n *sites c"]


class Variables(NamedTuple):
    """What a model has learnt. Fisher information is of ``params`` (or a part of them), never of ``state``."""

    params: PyTree
    state: PyTree = ()


class Model(NamedTuple):
    """A network as pure functions. Flax stops here: adapters make this from NNX, Linen or a plain function.

    ``apply`` is evaluation mode: rows are independent and the result is deterministic. ``apply`` is affine in
    ``features``. A field that a model cannot offer is ``None``.

    init        (key, x[n, ...]) -> Variables
    apply       (variables, x[n, ...]) -> outputs[n, *sites, c]
    features    (variables, x[n, ...]) -> [n, *sites, d]
    taps        (variables, x[n, ...]) -> {name: [n, ...]}, the activations of named layers
    stochastic  (key, variables, x[n, ...]) -> outputs; one random function per key: a dropout mask shared over the
    rows,
                batch statistics fixed (Monte Carlo dropout)
    train       (key, variables, x[n, ...]) -> (outputs, state); training mode: rows may depend on their batch
    head        (variables) -> (kernel[d, c], bias[c]) with ``apply = features @ kernel + bias``; the evidence of the
                prior precision needs the norm of the weights, which ``apply`` and ``features`` alone do not tell
    train_taps  (key, variables, x[n, ...]) -> (outputs, taps, state); ``train`` with the activations of the same pass,
                for what is trained jointly on them (a loss predictor)
    """

    init: Callable[[PRNGKey, Inputs], Variables]
    apply: Callable[[Variables, Inputs], Outputs]
    features: Callable[[Variables, Inputs], Float[Array, "n *sites d"]] | None = None
    taps: Callable[[Variables, Inputs], dict[str, Array]] | None = None
    stochastic: Callable[[PRNGKey, Variables, Inputs], Outputs] | None = None
    train: Callable[[PRNGKey, Variables, Inputs], tuple[Outputs, PyTree]] | None = None
    head: Callable[[Variables], tuple[Float[Array, "d c"], Float[Array, " c"]]] | None = None
    train_taps: Callable[[PRNGKey, Variables, Inputs], tuple[Outputs, dict[str, Array], PyTree]] | None = None


class Fitted(NamedTuple):
    """A trained model: what a strategy may look at."""

    variables: Any
    members: Any = None  # an ensemble or posterior samples: variables with a leading axis
    extra: Any = None  # what a strategy's own ``fit`` learns: loss predictor, auto-encoder ...


class Pool(NamedTuple):
    """All candidates with what is known of them. Sets are masks, so shapes stay static over rounds.

    ``y`` is read only where ``labelled``. ``population`` is the weight in means and normalisations: 1 for an ordinary
    row, 0 for padding; a target row (a test input, say) has ``population > 0`` and is not ``available``.
    """

    x: Inputs
    y: Shaped[Array, "n ..."]
    labelled: Bool[Array, " n"]
    available: Bool[Array, " n"]
    population: Float[Array, " n"]
    groups: Int[Array, " n"] | None = None
    costs: Float[Array, " n"] | None = None


class Likelihood(NamedTuple):
    """The observation model of one site. Log-probability and Fisher information sum over sites.

    log_prob       (f[c], y) -> scalar
    sample         (key, f[c]) -> y
    fisher_factor  (f[c]) -> B[c, r] with ``B B^T`` the Fisher information in the outputs
    entropy        (f[c]) -> scalar, in nats
    contrasts      (c) -> [c, q], orthonormal columns spanning every output direction that ``fisher_factor`` can see;
                   ``None``: all of them. The softmax does not see the mean of its logits: q = c - 1
    mode           (f[c]) -> y, the most probable label; ``None`` where labels are no finite choice
    effective_sites
                   how many of the t sites of an example its Fisher information counts as independent: it is scaled by
                   effective_sites / t; ``None``: all t
    """

    log_prob: Callable[[Float[Array, " c"], Array], Float[Array, ""]]
    sample: Callable[[PRNGKey, Float[Array, " c"]], Array]
    fisher_factor: Callable[[Float[Array, " c"]], Float[Array, "c r"]]
    entropy: Callable[[Float[Array, " c"]], Float[Array, ""]]
    contrasts: Callable[[int], Float[Array, "c q"]] | None = None
    mode: Callable[[Float[Array, " c"]], Array] | None = None
    effective_sites: float | None = None


@runtime_checkable
class Factors(Protocol):
    """Per-example factors ``A_i`` [r, p] with Fisher information ``F_i = A_i^T A_i``, possibly never formed."""

    @property
    def n(self) -> int: ...
    @property
    def r(self) -> int: ...
    @property
    def p(self) -> int: ...
    def take(self, indices: Int[Array, " m"]) -> "Factors":
        """The rows ``indices``, by a gather that a sharded pool survives."""
        ...

    def project(self, y: Float[Array, "p s"]) -> Float[Array, "n r s"]:
        """``A_i Y``."""
        ...

    def quadratic(self, s: Float[Array, "p p"]) -> Float[Array, "n r r"]:
        """``A_i S A_i^T`` for symmetric ``S``."""
        ...

    def information(self, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
        """``sum_i w_i A_i^T A_i``."""
        ...

    def inner(self, other: "Factors") -> Float[Array, "n m"]:
        """Frobenius inner products ``<A_i, A_j>``."""
        ...

    def squared_norms(self) -> Float[Array, " n"]:
        """``<A_i, A_i>``, the trace of the Fisher information of example i."""
        ...


@runtime_checkable
class FactorFn(Protocol):
    """What a criterion reads: Factors, or scores[n], probabilities[n, members, c], a tuple for ``combine`` ..."""

    def __call__(self, key: PRNGKey, fitted: Fitted, pool: Pool, /) -> Any: ...


class State(NamedTuple):
    """The state of a criterion. The *last* axis of every leaf of ``local`` is the pool; ``shared`` has no pool axis.

    So state shards and streams with the pool, and a rule can restrict it to a subset of the pool. The pool axis is last
    because sums over the small axes are then long contiguous vector operations: five times faster on a CPU.
    """

    shared: Any
    local: Any


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Known:
    """What theory says of a criterion as a function of the design: what a certificate may rest on.

    It is part of the structure of a criterion, not one of its leaves, so a compiled function can branch on it.

    concave     ``value`` is concave in the weights
    submodular  ``value`` is monotone and submodular in the set of examples
    logdet      k where ``value = k log det M`` + constant, else 0
    degree      q where ``value(t w) = t^q value(w)`` without prior (A, V, c: -1; E: 1); 0: ``value(t w) = value(w)`` +
                a multiple of ``log t`` (D); ``None``: neither, or not known
    """

    concave: bool = False
    submodular: bool = False
    logdet: float = 0.0
    degree: int | None = None


class Criterion(NamedTuple):
    """What a good design is: an incremental function of ``M(w) = M_0 + sum_i w_i A_i^T A_i`` or of distances.

    ``weights`` is the design so far: 0/1 for a labelled set, real for a continuous design, 0 for padding. ``weight`` is
    the mass moved onto one candidate: 1 adds it, -1 takes it away, 0 changes nothing.
    ``point = take(data, index[None])``, so ``update`` also works on a chunk of the pool that does not hold the picked
    point. Larger is better.

    Each field is a ``jax.tree_util.Partial`` of a module-level function whose leaves are the hyper-parameters. A
    criterion is thus an ordinary argument of a compiled function: new values, or a vmap over them, do not compile
    again.

    init         (data, weights[n], population[n]) -> state
    gain         (data, state, weight=1.) -> [n]; the change of ``value``
    update       (data, state, index, point, weight=1.) -> state
    value        (state) -> scalar; nan where the criterion has none (distances)
    sensitivity  (data, state) -> [n]; derivative of ``value`` in the weights
    lookahead    (data, state, indices[m]) -> ahead; the pool's response to m candidates, from one pass
    advance      (data, state, ahead, slot) -> (state, ahead); ``update`` with a candidate that was looked ahead at
    refresh      (data, state) -> state; the same state computed afresh, to stop the drift of float32 updates
    known        what theory says of it; without concavity a continuous design has no bound
    smoothed     (width) -> Criterion; a smooth concave criterion, nowhere below this one and equal to it as width -> 0,
                 where this one has kinks (E-optimality): continuous designs climb it, and its tangents bound this one
    """

    init: Callable[..., State]
    gain: Callable[..., Float[Array, " n"]]
    update: Callable[..., State]
    value: Callable[[State], Float[Array, ""]]
    sensitivity: Callable[..., Float[Array, " n"]] | None = None
    lookahead: Callable[..., Any] | None = None
    advance: Callable[..., Any] | None = None
    refresh: Callable[..., State] | None = None
    known: Known = Known()
    smoothed: Callable[..., "Criterion"] | None = None


class Selection(NamedTuple):
    """Picks in the order they were made. An exhausted or failed pick is index ``n`` with gain ``-inf``."""

    indices: Int[Array, " k"]
    gains: Float[Array, " k"]


@runtime_checkable
class SelectFn(Protocol):
    """How to search: knows criteria, nothing of Fisher information."""

    def __call__(
        self,
        key: PRNGKey,
        criterion: Criterion,
        data: Any,
        weights: Float[Array, " n"],
        available: Bool[Array, " n"],
        batch_size: int,
        *,
        population: Float[Array, " n"],
        groups: Int[Array, " n"] | None = None,
        costs: Float[Array, " n"] | None = None,
    ) -> Selection: ...


class Strategy(NamedTuple):
    """A complete query strategy.

    fit     (key, fitted, pool) -> fitted; learns whatever the strategy needs beside the model (``Fitted.extra``)
    select  (key, fitted, pool, batch_size) -> Selection
    """

    fit: Callable[[PRNGKey, Fitted, Pool], Fitted]
    select: Callable[[PRNGKey, Fitted, Pool, int], Selection]


class Design(NamedTuple):
    """A continuous design and the certified upper bound on the optimum (nan where no concavity is known)."""

    weights: Float[Array, " n"]
    value: Float[Array, ""]
    bound: Float[Array, ""]


class Dataset(NamedTuple):
    """A data set on the host, as NumPy arrays. ``split`` is 'train', 'val' or 'test' for each example."""

    x: Any
    y: Any
    ids: Any
    groups: Any
    split: Any
    classes: Any
