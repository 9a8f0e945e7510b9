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
# # The spectrum of a network's Fisher information
#
# A small convolutional network on handwritten digits, before and after training: which directions of its 1,442
# parameters do the data determine, how do the classes and the layers differ, and which single images carry information?
#
# * Training makes an image tell more: the mean trace of its information rises from 26 to 143. Before, the digits are
#   alike (22 to 29); after, a six tells least (67) and an eight most (198). The eight least informative images are all
#   sixes.
# * The data determine more parameters after training, though never all of them: the effective dimension at prior
#   precision 1 is 442 before and 886 after.
# * Most of the information is in the second convolution, not in the last layer, and nine directions stand out there:
#   one less than there are classes.
#
# Everything is exact here; the last figure compares it with what matrix-vector products alone tell, which is how a
# network of millions of parameters is looked at. About forty seconds on four cores.

# %%
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads fight those of XLA

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import alfi
from alfi import fisher

TINY = bool(os.environ.get("ALFI_TINY"))  # a quick look
ROWS, STEPS = (100, 20) if TINY else (1000, 600)
BLUE, SKY, GREEN, ORANGE, RED = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00"  # Okabe & Ito
INK, PALE = "#222222", "#c9d1d9"
COLORS = {"before training": BLUE, "after training": RED}
plt.rcParams.update({
    "figure.dpi": 95, "font.size": 10, "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "legend.frameon": False,
})  # fmt: skip

digits = alfi.data.load("digits")
rows = np.flatnonzero(digits.split == "train")[:ROWS]
x = jnp.asarray(digits.x[rows].reshape(-1, 8, 8, 1), jnp.float32)
y = jnp.asarray(digits.y[rows], jnp.int32)
model, likelihood = alfi.models.cnn(10, channels=(8, 16)), alfi.likelihoods.categorical()

untrained = model.init(jax.random.key(0), x[:1])
train = jax.jit(alfi.training.fixed_steps(model, likelihood, steps=STEPS))
trained = train(jax.random.key(1), untrained, x, y, jnp.arange(len(x)), len(x))
networks = {"before training": untrained, "after training": trained.variables}
p = sum(leaf.size for leaf in jax.tree.leaves(untrained.params))
print(f"{p} parameters, {len(x)} images; fitted to {float(trained.accuracy):.1%} of them")

# %% [markdown]
# ## Before and after, by class
#
# `fisher.jacobian` gives the exact factors, `fisher.spectrum` the eigenvalues of their mean; a class is a choice of
# weights. Per image, so that classes of different size compare.

# %%
factors_of = jax.jit(
    lambda v: fisher.jacobian(model.apply, likelihood, chunk_size=100)(jax.random.key(0), alfi.Fitted(v), alfi.pool(x))
)
factors = {name: factors_of(variables) for name, variables in networks.items()}
spectrum = jax.jit(fisher.spectrum)
members = {k: (y == k) / jnp.sum(y == k) for k in range(10)}
overall = {name: spectrum(f, jnp.full(len(x), 1 / len(x))) for name, f in factors.items()}
by_class = {name: {k: spectrum(f, w) for k, w in members.items()} for name, f in factors.items()}

traces = {name: np.array([np.sum(values) for values in by_class[name].values()]) for name in networks}
order = np.argsort(traces["after training"])
marked = dict(zip(order[[0, 1, -2, -1]].tolist(), (BLUE, SKY, ORANGE, RED), strict=True))
top = 3 * float(max(values[0] for name in networks for values in by_class[name].values()))

for name in networks:
    print(f"{name}: trace {np.sum(overall[name]):.0f}, by digit {traces[name].round().astype(int).tolist()}")
figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.9), width_ratios=[1, 1, 0.75], constrained_layout=True)
ranks = np.arange(1, p + 1)
for axis, name in zip(axes[:2], networks, strict=True):
    for k in sorted(by_class[name], key=lambda k: k in marked):  # the grey ones first
        color, label = marked.get(k, PALE), f"digit {k}" if k in marked else None
        axis.loglog(ranks, np.maximum(by_class[name][k], 1e-12), color=color, lw=1.5, label=label)
    axis.loglog(ranks, np.maximum(overall[name], 1e-12), color=INK, lw=2.2, label="all digits")
    axis.set(title=name.capitalize(), xlabel="rank of the eigenvalue", ylim=(1e-6, top), xlim=(1, 2000))
axes[0].set_ylabel("eigenvalue, per image")
axes[1].tick_params(labelleft=False)
axes[1].legend(loc="lower left")
heights = np.arange(10)
axes[2].hlines(heights, traces["before training"][order], traces["after training"][order], color=PALE, lw=2)
for name, marker in (("before training", "o"), ("after training", "s")):
    axes[2].plot(traces[name][order], heights, marker, color=COLORS[name], label=name)
axes[2].set(title="Trace, by digit", xlabel="sum of the eigenvalues, per image", ylabel="digit", xlim=(0, None))
axes[2].set_yticks(heights, order)
axes[2].set_ylim(-2.6, 9.6)  # room for the legend
axes[2].legend(loc="lower right")
plt.show()

# %% [markdown]
# How many parameters do these images determine? The effective dimension `sum l / (l + lambda)` of the whole set,
# against the strength of the prior.

# %%
precisions = np.logspace(-3, 4, 50)
figure, axis = plt.subplots(figsize=(5.6, 3.4), constrained_layout=True)
for name, values in overall.items():
    total = len(x) * np.asarray(values)
    dimension = [np.sum(total / (total + l)) for l in precisions]
    dashes = "--" if name == "before training" else "-"
    axis.semilogx(precisions, dimension, color=COLORS[name], ls=dashes, lw=2, label=name)
    print(f"{name}: effective dimension {np.sum(total / (total + 1)):.0f} at prior precision 1")
axis.axhline(p, color=PALE, lw=1)
axis.annotate(f"{p} parameters", (precisions[-1], p), ha="right", va="bottom", fontsize=9)
axis.set(xlabel="prior precision", ylabel="effective dimension", ylim=(0, 1.12 * p), xlim=precisions[[0, -1]])
axis.legend()
plt.show()

# %% [markdown]
# ## By layer
#
# `fisher.layers` names the layers; each is a diagonal block of the information. A quarter of the images will do.

# %%
some = alfi.pool(x[::4])
looks = {  # of a layer's line: name, colour, dashes
    "block_1": ("convolution 1", SKY, "-"), "block_1 norm": ("normalisation 1", SKY, "--"),
    "block_2": ("convolution 2", BLUE, "-"), "block_2 norm": ("normalisation 2", BLUE, "--"),
    "head": ("last layer", RED, "-"),
}  # fmt: skip
layers = {name.strip("[]'").replace("']['", " "): choose for name, choose in fisher.layers(untrained).items()}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, constrained_layout=True)
for axis, (name, variables) in zip(axes, networks.items(), strict=True):
    for layer, choose in layers.items():
        label, color, dashes = looks[layer.removeprefix("blocks ")]
        factor_fn = fisher.jacobian(model.apply, likelihood, parameters=choose)
        of_layer = jax.jit(lambda v, fn=factor_fn: fisher.spectrum(fn(jax.random.key(0), alfi.Fitted(v), some)))
        values = np.asarray(of_layer(variables)) / len(some.x)
        axis.loglog(np.arange(1, len(values) + 1), np.maximum(values, 1e-12), color=color, ls=dashes, lw=2, label=label)
    axis.set(title=name.capitalize(), xlabel="rank of the eigenvalue", ylim=(1e-6, None), xlim=(1, 2000))
axes[0].set_ylabel("eigenvalue, per image")
axes[1].legend(loc="upper right", fontsize=9)
plt.show()

# %% [markdown]
# ## Single images
#
# The trace of each image's own information, from `fisher.ghost_traces`, which forms no per-image gradient. It
# goes with doubt: the rank correlation with the entropy of the prediction is printed below. The maps under the images
# show the pixels that the Fisher form hangs on.

# %%
traces = jax.jit(lambda v: sum(fisher.ghost_traces(model.apply, likelihood, v, x).values()))(trained.variables)
np.testing.assert_allclose(traces, factors["after training"].squared_norms(), rtol=1e-3, atol=1e-4)
order = np.argsort(np.asarray(traces))
entropy = np.asarray(jax.vmap(likelihood.entropy)(model.apply(trained.variables, x)))
agreement = np.corrcoef(np.argsort(order), np.argsort(np.argsort(entropy)))[0, 1]
print(f"rank correlation of trace and entropy: {agreement:.2f}")
shown = np.r_[order[:8], order[-8:]]
maps = np.asarray(jax.jit(lambda v, x: fisher.sensitivity_map(model.apply, v, x))(trained.variables, x[shown]))

figure = plt.figure(figsize=(11.5, 2.3), constrained_layout=True)
halves = figure.subfigures(1, 2, wspace=0.03)
titled = {"Least informative": range(8), "Most informative": range(8, 16)}
for half, (title, columns) in zip(halves, titled.items(), strict=True):
    half.suptitle(title, fontsize=11, fontweight="bold")
    for axes, column in zip(half.subplots(2, 8).T, columns, strict=True):
        bound = np.abs(maps[column]).max() or 1.0
        axes[0].imshow(x[shown[column], :, :, 0], cmap="gray_r")
        axes[1].imshow(maps[column, :, :, 0], cmap="PuOr_r", vmin=-bound, vmax=bound)
        axes[0].set_title(f"tr {float(traces[shown[column]]):.0f}", fontsize=9, fontweight="normal", loc="center")
        for axis in axes:
            axis.axis("off")
plt.show()

# %% [markdown]
# ## From matrix-vector products alone
#
# The same spectrum of the trained network by stochastic Lanczos quadrature on `fisher.ggn_vector_product`, with its
# standard error over ten random probes: no Jacobian, no matrix. Lanczos sees the large eigenvalues first, and the small
# end only in outline, which is why the density is smoothed over 0.4 decades. The largest come from
# `fisher.top_eigenpairs`.


# %%
@jax.jit
def krylov(variables):
    weights = jnp.full(len(x), 1 / len(x))
    operator = fisher.ggn_vector_product(model.apply, likelihood, variables, x, weights=weights)
    quadrature = fisher.lanczos_quadrature(jax.random.key(0), operator, steps=60, probes=10)
    return quadrature, fisher.top_eigenpairs(jax.random.key(1), operator, 9, steps=30)


quadrature, pairs = krylov(trained.variables)
grid, width, exact = jnp.linspace(-7, 3, 300), 0.4, np.asarray(overall["after training"])
density, error = fisher.spectral_density(quadrature, grid, width=width)
estimate, true = fisher.log_determinant(quadrature, 1e-3), np.sum(np.log1p(exact / 1e-3))
print(f"log det(I + F / 0.001): {estimate.value:.1f} +- {estimate.error:.1f}, exactly {true:.1f}")
print("largest eigenvalues:", np.round(np.asarray(pairs.values), 3), "exactly", np.round(exact[:9], 3), sep="\n")

positive = np.log10(exact[exact > 1e-9])
bumps = np.exp(-0.5 * ((np.asarray(grid)[:, None] - positive[None]) / width) ** 2)
smooth = bumps.sum(axis=1) / (width * np.sqrt(2 * np.pi))
figure, axis = plt.subplots(figsize=(6.4, 3.6), constrained_layout=True)
axis.fill_between(grid, smooth, color=PALE, label="exact")
axis.plot(grid, density, color=RED, lw=2, label="10 probes of 60 steps")
axis.fill_between(grid, density - error, density + error, color=RED, alpha=0.25, lw=0)
axis.set(xlabel="eigenvalue, per image", ylabel="eigenvalues per decade", ylim=(0, None), xlim=(-7, 3))
decades = [-6, -4, -2, 0, 2]
axis.set_xticks(decades, [f"$10^{{{decade}}}$" for decade in decades])
axis.legend()
plt.show()
