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
# Everything is exact here; the last figure compares it with what matrix-vector products alone tell, which is how a
# network of millions of parameters is looked at. About a minute on four cores.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import alfi
from alfi import fisher

ROWS = int(os.environ.get("ALFI_ROWS", "1000"))  # fewer: a quick look
INK, PALE = "#22313f", "#c9d1d9"
plt.rcParams.update({
    "figure.dpi": 110, "font.size": 9, "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10,
})  # fmt: skip
CLASSES = plt.get_cmap("tab10").colors

digits = alfi.data.load("digits")
rows = np.flatnonzero(digits.split == "train")[:ROWS]
x = jnp.asarray(digits.x[rows].reshape(-1, 8, 8, 1), jnp.float32)
y = jnp.asarray(digits.y[rows], jnp.int32)
model, likelihood = alfi.models.cnn(10, channels=(8, 16)), alfi.likelihoods.categorical()

untrained = model.init(jax.random.key(0), x[:1])
train = jax.jit(alfi.training.fixed_steps(model, likelihood, steps=600))
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

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, constrained_layout=True)
ranks = np.arange(1, p + 1)
for axis, name in zip(axes, networks, strict=True):
    for k, values in by_class[name].items():
        axis.loglog(ranks, np.maximum(values, 1e-12), color=CLASSES[k], lw=1, label=str(k))
    axis.loglog(ranks, np.maximum(overall[name], 1e-12), color=INK, lw=2.2, label="all")
    axis.set(title=name, xlabel="rank of the eigenvalue", ylim=(1e-8, 3 * float(max(v[0] for v in overall.values()))))
axes[0].set_ylabel("eigenvalue of the Fisher information, per image")
axes[1].legend(ncols=2, frameon=False, title="digit", loc="lower left")
plt.show()

# %% [markdown]
# How many parameters do these images determine? The effective dimension `sum l / (l + lambda)` of the whole set,
# against the strength of the prior.

# %%
precisions = np.logspace(-3, 4, 50)
figure, axis = plt.subplots(figsize=(4.6, 3), constrained_layout=True)
for (name, values), color in zip(overall.items(), ("#8aa0b5", "#c0392b"), strict=True):
    total = len(x) * np.asarray(values)
    axis.semilogx(precisions, [np.sum(total / (total + l)) for l in precisions], color=color, lw=2, label=name)
axis.axhline(p, color=PALE, lw=1)
axis.set(xlabel="prior precision", ylabel="effective dimension", title=f"of {p} parameters")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## By layer
#
# `fisher.layers` names the layers; each is a diagonal block of the information. A quarter of the images will do.

# %%
some = alfi.pool(x[::4])
layers = {name.strip("[]'").replace("']['", " "): choose for name, choose in fisher.layers(untrained).items()}
shades = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(layers)))
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, constrained_layout=True)
for axis, (name, variables) in zip(axes, networks.items(), strict=True):
    for (layer, choose), color in zip(layers.items(), shades, strict=True):
        factor_fn = fisher.jacobian(model.apply, likelihood, parameters=choose)
        of_layer = jax.jit(lambda v, fn=factor_fn: fisher.spectrum(fn(jax.random.key(0), alfi.Fitted(v), some)))
        values = np.asarray(of_layer(variables)) / len(some.x)
        axis.loglog(np.arange(1, len(values) + 1), np.maximum(values, 1e-12), color=color, lw=2, label=layer)
    axis.set(title=name, xlabel="rank of the eigenvalue", ylim=(1e-8, None))
axes[0].set_ylabel("eigenvalue, per image")
axes[0].legend(frameon=False, fontsize=7)
plt.show()

# %% [markdown]
# ## Single images
#
# The trace of each image's own information, from `fisher.ghost_traces`, which forms no per-image gradient. A trained
# network learns least from the digits it is sure of; the images with the largest traces are those it doubts. The maps
# below them show the pixels that the Fisher form hangs on.

# %%
traces = jax.jit(lambda v: sum(fisher.ghost_traces(model.apply, likelihood, v, x).values()))(trained.variables)
np.testing.assert_allclose(traces, factors["after training"].squared_norms(), rtol=1e-3, atol=1e-4)
order = np.argsort(np.asarray(traces))
shown = np.r_[order[:8], order[-8:]]
maps = jax.jit(lambda v, x: fisher.sensitivity_map(model.apply, v, x))(trained.variables, x[shown])

figure, axes = plt.subplots(2, 16, figsize=(10, 1.9), constrained_layout=True)
for column, i in enumerate(shown):
    axes[0, column].imshow(x[i, :, :, 0], cmap="gray_r")
    axes[0, column].set_title(f"{float(traces[i]):.1e}", fontsize=6)
    bound = float(jnp.abs(maps[column]).max()) or 1.0
    axes[1, column].imshow(maps[column, :, :, 0], cmap="RdBu_r", vmin=-bound, vmax=bound)
for axis in axes.ravel():
    axis.set(xticks=[], yticks=[])
figure.suptitle("least and most informative images: trace of F (above), sensitivity map (below)", fontsize=9)
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
figure, axis = plt.subplots(figsize=(6, 3.2), constrained_layout=True)
axis.fill_between(grid, smooth, color=PALE, label="exact")
axis.plot(grid, density, color="#c0392b", lw=1.8, label="10 probes of 60 steps")
axis.fill_between(grid, density - error, density + error, color="#c0392b", alpha=0.2, lw=0)
axis.set(xlabel="log10 of the eigenvalue, per image", ylabel="eigenvalues per decade", ylim=(0, None), xlim=(-7, 3))
axis.legend(frameon=False)
plt.show()
