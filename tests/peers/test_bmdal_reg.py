"""LCMD, MaxDet, BAIT and their kernels beside bmdal_reg 3.0, by the authors of LCMD."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, fisher, likelihoods, selection, strategies, testing
from alfi.typing import Variables

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("bmdal_reg")
    torch = pytest.importorskip("torch")
    from bmdal_reg.bmdal import algorithms, feature_data, feature_maps, features
    from bmdal_reg.bmdal import selection as theirs

pytestmark = [
    pytest.mark.peers,
    # Of torch, for their way to gradients: the inputs are data, and need none.
    pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning"),
    # Their fault: gradients are indexed by a list of slices, which torch means to understand differently one day.
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing:UserWarning"),
]

N, D, BATCH = 80, 5, 10
LABELLED = np.arange(60, 80)  # they keep the labelled set apart, behind the pool
FREE = np.arange(60)
KEY = jax.random.key(0)
SIGMA = 0.6  # of their observation noise: alfi's prior precision is its square


@pytest.fixture(autouse=True)
def _numpy_1(monkeypatch):
    """Their fault: 3.0.2 asks for ``np.Inf``, which NumPy 2 has no more; nothing of theirs runs without it."""
    monkeypatch.setattr(np, "Inf", np.inf, raising=False)


@pytest.fixture
def points(draw):
    return draw(0, N, D) * np.array([3.0, 2.0, 1.0, 0.5, 0.2])


def as_features(x):
    x = torch.as_tensor(x)
    return features.Features(feature_maps.IdentityFeatureMap(x.shape[1]), feature_data.TensorFeatureData(x))


def run(method, points, *, with_train, batch_size=BATCH, **options):
    pool, train = as_features(points[FREE]), as_features(points[LABELLED])
    chosen = getattr(theirs, method + "SelectionMethod")(pool, train, sel_with_train=with_train, verbosity=0, **options)
    picks = chosen.select(batch_size).tolist()
    assert chosen.get_status() is None
    return picks, chosen


def ours(criterion, points, *, with_train, rule=None, batch_size=BATCH):
    """ "TP mode" of theirs is a design with the labelled rows in it, "P mode" one without them."""
    labelled = np.isin(np.arange(N), LABELLED)
    factors = fisher.DenseFactors(jnp.asarray(points)[:, None])
    weights = labelled.astype(float) if with_train else np.zeros(N)
    return alfi.select(criterion, factors, batch_size, weights=weights, available=~labelled, rule=rule)


def test_core_set_agrees_exactly(points):
    picks, _ = run("MaxDist", points, with_train=True)
    assert ours(criteria.min_distance(), points, with_train=True).indices.tolist() == picks


def test_core_set_from_nothing_differs_in_the_first_pick_only(points):
    """They begin with the largest norm, alfi with the first row: all are infinitely far from nothing."""
    picks, _ = run("MaxDist", points, with_train=False)
    assert picks[0] == np.argmax((points[FREE] ** 2).sum(axis=1))
    assert int(ours(criteria.min_distance(), points, with_train=False).indices[0]) == 0
    factors = fisher.DenseFactors(jnp.asarray(points[FREE])[:, None])
    after = alfi.select(criteria.min_distance(), factors, BATCH - 1, weights=np.arange(len(FREE)) == picks[0])
    assert after.indices.tolist() == picks[1:]


def test_their_notebooks_picks_but_for_a_fault_that_the_release_has_mended():
    """framework_details.ipynb prints 655 first: the largest norm of the pool, though there are labelled points."""
    torch.manual_seed(1234)
    train, pool = torch.randn(100, 1024), torch.randn(1000, 1024)
    printed = [655, 228, 970, 508, 150]
    assert int(pool.norm(dim=1).argmax()) == printed[0]
    now = theirs.MaxDistSelectionMethod(as_features(pool), as_features(train), sel_with_train=True).select(5).tolist()
    factors = fisher.DenseFactors(jnp.asarray(torch.cat([pool, train]).numpy())[:, None])
    batch = alfi.select(criteria.min_distance(), factors, 5, weights=np.arange(1100) >= 1000)
    assert batch.indices.tolist() == now
    assert sorted(now) == sorted(printed)
    assert now[2:] == printed[2:]


def test_lcmd_agrees_exactly(points):
    """Cluster sizes are sums over the pool: the labelled rows are centres, at distance 0, and count nothing anyway."""
    picks, _ = run("LargestClusterMaxDist", points, with_train=True)
    assert ours(criteria.cluster(), points, with_train=True).indices.tolist() == picks


@pytest.mark.parametrize("with_train", [False, True])
@pytest.mark.parametrize("space", ["MaxDet", "MaxDetFeatureSpace"])
def test_max_det_is_d_optimality_exactly(space, with_train, points):
    picks, _ = run(space, points, with_train=with_train, noise_sigma=SIGMA)
    batch = ours(criteria.d_optimal(prior_precision=SIGMA**2), points, with_train=with_train)
    assert batch.indices.tolist() == picks


@pytest.mark.parametrize("with_train", [False, True])
def test_bait_for_regression_agrees_exactly(with_train, points):
    """BAIT-F and BAIT-FB. The target is pool and labelled set together in both."""
    batches = {}
    for factor in (1, 2):
        options = {"noise_sigma": SIGMA, "overselection_factor": float(factor), "batch_size": 6}
        batches[factor], _ = run("BaitFeatureSpace", points, with_train=with_train, **options)
        criterion, rule = criteria.v_optimal(prior_precision=SIGMA**2), selection.forward_backward(factor)
        batch = ours(criterion, points, with_train=with_train, rule=rule, batch_size=6)
        assert batch.indices.tolist() == batches[factor]
    assert batches[1] != batches[2]


def test_k_means_plus_plus_draws_from_the_same_distances(points):
    """Draws are random: the probabilities of the next one are compared, after theirs have been drawn."""
    np.random.seed(0)  # noqa: NPY002 - it draws from here, and from torch
    torch.manual_seed(0)
    picks, chosen = run("Kmeanspp", points, with_train=True)
    weights = np.isin(np.arange(N), [*LABELLED, *picks])
    factors = fisher.DenseFactors(jnp.asarray(points)[:, None])
    gains = alfi.score(criteria.min_distance(), factors, weights=weights)
    np.testing.assert_allclose(gains[FREE], chosen.min_sq_dists, rtol=1e-9, atol=1e-12)


# Whole networks: theirs takes gradients of a network of torch by hooks.


@pytest.fixture
def network(draw, points):
    """One network twice, ``(torch's, alfi's model, alfi's fitted, pool)``: one hidden layer, one output."""
    h = 6
    arrays = {"body": draw(3, D, h), "offset": draw(4, h), "kernel": draw(5, h, 1), "bias": draw(6, 1)}
    net = torch.nn.Sequential(torch.nn.Linear(D, h), torch.nn.Tanh(), torch.nn.Linear(h, 1)).double()
    with torch.no_grad():
        for layer, (kernel, bias) in ((net[0], ("body", "offset")), (net[2], ("kernel", "bias"))):
            layer.weight.copy_(torch.from_numpy(arrays[kernel].T))
            layer.bias.copy_(torch.from_numpy(arrays[bias]))
    head = {name: jnp.asarray(arrays[name]) for name in ("kernel", "bias")}
    params = {"body": [jnp.asarray(arrays["body"]), jnp.asarray(arrays["offset"])], "head": head}
    pool = alfi.pool(points, np.zeros((N, 1)), labelled=LABELLED)
    return net, testing.network(1, hidden=h), alfi.Fitted(Variables(params)), pool


def select_batch(net, points, kernel, transforms, method, **options):
    data = {
        name: feature_data.TensorFeatureData(torch.from_numpy(points[rows]))
        for name, rows in (("train", LABELLED), ("pool", FREE))
    }
    found = algorithms.BatchSelectorImpl([net], data, None)
    picks, info = found.select(kernel, transforms, method, BATCH, verbosity=0, **options)
    assert info["selection_status"] is None
    return picks.tolist(), found.features["pool"]


NOISE = likelihoods.gaussian(1.0)


@pytest.mark.parametrize("kernel", ["ll", "grad"])
@pytest.mark.parametrize("posterior", [False, True])
def test_kernels_of_networks_agree_exactly(kernel, posterior, points, network):
    """Of the last layer and of all parameters; theirs after the labelled set is larger by its noise variance."""
    net, model, fitted, pool = network
    transforms = [("train", [SIGMA])] if posterior else []
    _, found = select_batch(net, points, kernel, transforms, "maxdiag")
    exact = fisher.jacobian(model.apply, NOISE) if kernel == "grad" else fisher.last_layer(model, NOISE)
    factor_fn = fisher.condition(exact, SIGMA**2) if posterior else exact
    factors = factor_fn(KEY, fitted, pool).take(jnp.asarray(FREE))
    scale = SIGMA**2 if posterior else 1
    np.testing.assert_allclose(scale * factors.inner(factors), found.get_kernel_matrix(found), rtol=1e-8, atol=1e-10)


def test_strategies_on_networks_agree_exactly(points, network):
    """LCMD-TP, MaxDet-P and BAIT-FB-P of their paper, the latter two after the labelled set."""
    net, model, fitted, pool = network
    sigma = 0.2  # small enough for the backward steps of BAIT to matter
    after = [("train", [sigma])]
    cases = {
        "lcmd": (("ll", [], "lcmd"), {}, strategies.lcmd(model, NOISE, kernel="last_layer")),
        "maxdet": (
            ("ll", after, "maxdet"),
            {"maxdet_sigma": sigma},
            strategies.max_det(model, NOISE, kernel="last_layer", prior_precision=sigma**2),
        ),
        "bait": (
            ("ll", after, "bait"),
            {"bait_sigma": sigma, "overselection_factor": 2.0},
            strategies.bait(model, NOISE, prior_precision=sigma**2),
        ),
    }
    batches = {}
    for name, (arguments, options, strategy) in cases.items():
        batches[name], _ = select_batch(net, points, *arguments, **options)
        assert strategy.select(KEY, fitted, pool, BATCH).indices.tolist() == batches[name], name
    forward = strategies.bait(model, NOISE, prior_precision=sigma**2, oversample=1)
    assert forward.select(KEY, fitted, pool, BATCH).indices.tolist() != batches["bait"]


def test_their_fault_without_noise_picks_beyond_the_rank_are_rounding_errors(points):
    """MaxDet's noise is 0 by default: after as many picks as coordinates nothing is left to choose by, and it goes on.

    alfi takes no singular prior.
    """
    picks, _ = run("MaxDetFeatureSpace", points, with_train=False)
    after = run("MaxDetFeatureSpace", points, with_train=False, batch_size=D)[1].diag
    assert len(set(picks)) == BATCH
    assert float(after[after.isfinite()].abs().max()) < 1e-12 * (points**2).sum(axis=1).max()
    assert (
        ours(criteria.d_optimal(prior_precision=1e-9), points, with_train=False, batch_size=D).indices.tolist()
        == (picks[:D])
    )
    with pytest.raises(ValueError, match="Give a positive prior_precision"):
        ours(criteria.d_optimal(prior_precision=0.0), points, with_train=False)
