# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # A criterion of your own
#
# Five lines of JAX make a new criterion, the worst D-efficiency over the classes. Greedy search, exchange, a continuous
# design with a certified bound and a whole active-learning experiment come with it; nothing in the library is changed.
#
# ![D-efficiency by class of one batch, and learning curves](design_a_criterion.png)
#
# *Handwritten digits, three of them rare. Left: one batch of ten, found by exchange. Right: eight such rounds, mean and
# standard error of ten seeds.*
#
# * In one batch it does what it says. The class that plain D-optimality serves worst, the fives, rises from .58 to .64;
#   the mean over the classes goes from .714 to .709.
# * The batch has for certain 85 % of the gain that any batch of ten could have in this criterion.
# * As a strategy it does not beat D-optimality: the mean recall along the curve differs by +.001 ± .005 for all digits
#   and by -.017 ± .013 for the rare ones (± standard error). Both are far above random: +.11 for all digits; for the
#   rare ones +.32 with D-optimality and +.31 with the new criterion.
#
# The criterion's one parameter, its sharpness, is the best of three that were tried on these same seeds (20; with 5 the
# difference to D-optimality is -.007 ± .005, with 100 it is -.016 ± .006), so even this is flattered a little.
#
# About a minute on four cores.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads fight those of XLA

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial

import alfi
from alfi import criteria, loop, selection, strategies

TINY = bool(os.environ.get("ALFI_TINY"))  # a quick look: few seeds, little training
SEEDS, ROUNDS, STEPS = (2, 2, 20) if TINY else (10, 8, 300)
INITIAL, BATCH = 20, 10
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8c8c8c", "#222222"  # Okabe & Ito
plt.rcParams.update({
    "figure.dpi": 110, "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.edgecolor": INK, "legend.frameon": False,
})  # fmt: skip

# %% [markdown]
# ## The task
#
# Handwritten digits, where the pool has only one in seven of the ones, eights and nines; the test set has all of them.
# A small network is trained on 20 random labels, and the next ten are to be chosen.

# %%
RARE = np.array([1, 8, 9])
digits = alfi.data.load("digits")
train, test = digits.split == "train", digits.split == "test"
kept = train & (~np.isin(digits.y, RARE) | (np.random.default_rng(0).random(len(digits.y)) < 0.15))
x, y = jnp.asarray(digits.x[kept]), jnp.asarray(digits.y[kept])
x_test, y_test = jnp.asarray(digits.x[test]), jnp.asarray(digits.y[test])
print("in the pool, by digit:", np.bincount(y, minlength=10).tolist())

model, likelihood = alfi.models.mlp(10, hidden=(64, 16)), alfi.likelihoods.categorical()
fit = alfi.training.fixed_steps(model, likelihood, steps=STEPS)
initial = jax.random.permutation(jax.random.key(0), len(x))[:INITIAL]
pool = alfi.pool(x, y, labelled=initial)
print("labelled,    by digit:", np.bincount(y[initial], minlength=10).tolist())
trained = jax.jit(fit)(jax.random.key(1), model.init(jax.random.key(2), x), x, y, initial, INITIAL)
fitted = alfi.Fitted(trained.variables)

# %% [markdown]
# ## The criterion: five lines
#
# Class k has an information matrix of its own, that of its logit: `M_k = lambda I + sum_i p_ik (1 - p_ik) h_i h_i^T`
# over the labelled images, with the features h of the last layer. A batch serves class k with the D-efficiency
# `(det M_k / det M_k*)^(1/q)`, where `M_k*` is what a batch chosen for class k alone would have reached. The criterion
# is the smallest efficiency of all classes, with a smooth minimum, so that a continuous design has a slope to climb.
# Each efficiency is concave in the design, and so is their smooth minimum: what `alfi.certify` needs to know.


# %%
def worst_efficiency(best, logdets):  # [classes]: log det M_k* and log det M_k
    efficiency = jnp.exp((logdets - best) / Q)
    return -jax.nn.logsumexp(-SHARP * efficiency) / SHARP  # at most log(10) / SHARP below the smallest


def robust(precision, best):
    return criteria.over(criteria.d_optimal(prior_precision=precision), Partial(worst_efficiency, best))


# %% [markdown]
# That is all that is new. `over` gives every class its own D-optimality, with its fast updates, and our function makes
# one number of them. (An idea that is a function of the whole matrix M would be `criteria.from_matrix(phi)`.)
#
# What it reads are factors with an axis of classes; and the best that a batch can do for each class alone comes from
# the library's greedy search, mapped over that axis.

# %%
Q, SHARP = 17, 20.0  # 16 features and a one for the bias


def factors_by_class(key, fitted, pool):
    p = jax.nn.softmax(model.apply(fitted.variables, pool.x))
    h = model.features(fitted.variables, pool.x)
    h = jnp.concatenate([h, jnp.ones_like(h[:, :1])], axis=1)
    return alfi.fisher.DenseFactors(jnp.einsum("nk,nd->nkd", jnp.sqrt(p * (1 - p)), h)[:, :, None])  # [n, k, 1, q]


def best_by_class(factors, precision, pool):
    d_optimal, labelled = criteria.d_optimal(prior_precision=precision), pool.labelled.astype(float)

    def best(of_class):
        batch = selection.greedy()(
            jax.random.key(0), d_optimal, of_class, labelled, pool.available, BATCH, population=pool.population
        )
        return d_optimal.value(d_optimal.init(of_class, labelled.at[batch.indices].set(1), pool.population))

    return jax.vmap(best, in_axes=1)(factors)


last_layer, evidence = alfi.fisher.last_layer(model, likelihood), alfi.fisher.evidence(model, likelihood)
whole, by_class = (make(jax.random.key(0), fitted, pool) for make in (last_layer, factors_by_class))
precision = evidence(whole, fitted, pool)  # lambda that explains the 20 labels best
best = best_by_class(by_class, precision, pool)
print(f"prior precision by evidence: {precision:.3f}")

# %% [markdown]
# ## Every search, and a certificate
#
# Plain D-optimality of the whole last layer and the robust criterion, each by greedy search, by exchange and as a
# continuous design. `alfi.certify` bounds what any batch of ten could reach: `certified` is the part of the attainable
# gain that a batch has for certain, in its own criterion and for the linearised model.

# %%
contestants = {
    "D-optimal": (criteria.d_optimal(prior_precision=precision), whole),
    "robust": (robust(precision, best), by_class),
}
rules = {"greedy": selection.greedy(), "exchange": selection.exchange()}
options = {"weights": pool.labelled, "concave": True}  # concave: the proof is in the text above, alfi cannot know


@jax.jit
def efficiencies(design):
    def one(of_class):
        return jnp.linalg.slogdet(of_class.information(design) + precision * jnp.eye(Q))[1]

    return jnp.exp((jax.vmap(one, in_axes=1)(by_class) - best) / Q)


found = {}
print("criterion   search        value  <= bound   certified   smallest and mean efficiency of the classes")
for name, (criterion, data) in contestants.items():
    for search, rule in rules.items():
        batch = alfi.select(criterion, data, BATCH, rule=rule, weights=pool.labelled)
        proof = alfi.certify(criterion, data, batch, **options)
        found[name, search] = efficiencies(pool.labelled + jnp.zeros(len(x)).at[batch.indices].set(1))
        line = f"{name:12}{search:10}{proof.value:9.3f}{proof.bound:10.3f}{proof.fraction:11.1%}"
        print(line, f"{found[name, search].min():12.3f}{found[name, search].mean():9.3f}")
    design = alfi.allocate(criterion, data, BATCH, **options)
    found[name, "continuous"] = efficiencies(pool.labelled + design.weights)
    line = f"{name:12}{'continuous':10}{design.value:9.3f}{design.bound:10.3f}{'':11}"
    print(line, f"{found[name, 'continuous'].min():12.3f}{found[name, 'continuous'].mean():9.3f}")

eights = jax.nn.softmax(model.apply(fitted.variables, x))[:, 8]
print(f"largest probability of an eight in the pool: {eights.max():.1e}")

# %% [markdown]
# Exchange is better than greedy for both. The continuous designs are optimal to the digits shown, and split their
# weight over many images; what is left between batch and bound is partly the price of whole images.
#
# The efficiency of the eights is nearly 1 with whatever batch, for a sad reason: no eight has been labelled yet, so the
# network gives none of the images much probability of being one, and no label seems to tell anything of that logit. A
# criterion of Fisher information does not look after a class that the network has never seen.
#
# ## A whole experiment with it
#
# The criterion is one part of a strategy; factors and search are as above. A function of the round gives the prior
# precision and the best for each class anew. All strategies have the same initial sets, networks and minibatches.


# %%
def robust_of_the_round(factors, fitted, pool):
    precision = evidence(last_layer(jax.random.key(0), fitted, pool), fitted, pool)
    return robust(precision, best_by_class(factors, precision, pool))


contenders = {
    "random": strategies.random(model, likelihood),
    "D-optimal": strategies.d_optimal(model, likelihood),
    "robust": strategies.compose(factors_by_class, robust_of_the_round, selection.greedy()),
}


def evaluate(variables):
    right = (model.apply(variables, x_test).argmax(axis=1) == y_test).astype(float)
    recall = jnp.zeros(10).at[y_test].add(right) / jnp.bincount(y_test, length=10)
    return {"all digits": right.mean(), "the three rare digits": recall[RARE].mean()}


def experiment(strategy, key):
    key_initial, key_run = jax.random.split(key)
    state = loop.start(model, pool, jax.random.permutation(key_initial, len(x))[:INITIAL], INITIAL + ROUNDS * BATCH)
    learn, query = loop.make_learn(model, fit, evaluate), loop.make_query(strategy, BATCH)
    return loop.run(key_run, state, pool, learn=learn, query=query, rounds=ROUNDS)[1].metrics


curves = {}
for name, strategy in contenders.items():
    run = jax.jit(lambda key, strategy=strategy: experiment(strategy, key))
    runs = [run(key) for key in jax.random.split(jax.random.key(5), SEEDS)]
    curves[name] = jax.tree.map(lambda *seeds: np.stack(seeds), *runs)


def paired(metric, one, other):
    """Mean area under the curve of one minus the other, and its standard error over seeds."""
    difference = (curves[one][metric] - curves[other][metric]).mean(axis=1)
    return f"{difference.mean():+.3f} +- {difference.std(ddof=1) / np.sqrt(SEEDS):.3f}"


for metric in ("all digits", "the three rare digits"):
    print(f"recall of {metric}, mean over the curve, {SEEDS} seeds, with the standard error of the paired difference")
    for one, other in (("D-optimal", "random"), ("robust", "random"), ("robust", "D-optimal")):
        print(f"    {one:9} minus {other:9} {paired(metric, one, other)}")

# %% tags=["figure"]
figure, (left, *right) = plt.subplots(1, 3, figsize=(11.5, 3.7), width_ratios=[1.25, 1, 1], constrained_layout=True)
classes = np.arange(10)
left.vlines(classes, found["D-optimal", "exchange"], found["robust", "exchange"], color="#bbbbbb", lw=2.5, zorder=1)
for name, color, marker in (("D-optimal", BLUE, "o"), ("robust", ORANGE, "s")):
    values = np.asarray(found[name, "exchange"])
    left.plot(classes, values, marker, color=color, ms=6, label=f"{name}, worst {values.min():.2f}")
left.set(
    title="One batch of ten, by class", xlabel="digit (bold: rare)", ylabel="D-efficiency (1: best for that class)",
    xticks=classes, ylim=(0.5, 1.03),
)  # fmt: skip
for label, k in zip(left.get_xticklabels(), classes, strict=True):
    label.set_fontweight("bold" if k in RARE else "normal")
left.legend(loc="upper left")
labels = INITIAL + BATCH * np.arange(ROUNDS + 1)
styles = {"random": (GREY, "^"), "D-optimal": (BLUE, "o"), "robust": (ORANGE, "s")}
for axis, metric in zip(right, ("the three rare digits", "all digits"), strict=True):
    for name, (color, marker) in styles.items():
        mean = curves[name][metric].mean(axis=0)
        error = curves[name][metric].std(axis=0, ddof=1) / np.sqrt(SEEDS)
        axis.fill_between(labels, mean - error, mean + error, color=color, alpha=0.18, lw=0)
        axis.plot(labels, mean, color=color, marker=marker, ms=4, lw=1.8, label=name)
    axis.set(title=f"Recall of {metric}", xlabel="labels", ylim=(0, 1))
    axis.grid(axis="y", color="#dddddd", lw=0.6)
right[0].legend(loc="upper left")
plt.show()
