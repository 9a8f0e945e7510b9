"""The first labelled examples of every seed, the same for all strategies."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import alfi
from experiments.config import Config


def draw(config: Config, images: np.ndarray, x: np.ndarray, y: np.ndarray, model: alfi.Model) -> np.ndarray:
    """Rows of the pool, [seeds, initial]. What they are chosen by is computed once, the choice anew for each seed.

    `images` are as read, for ORB; `x` is what networks see.
    """
    if config.initial_set == "random":  # drawn by NumPy, as it always was: results already reported stay reproducible
        sets = [
            np.random.default_rng(seed).choice(len(x), config.initial, replace=False) for seed in range(config.seeds)
        ]
        return np.stack(sets)
    if config.initial_set == "orb":
        if images.ndim != 4:
            raise ValueError(f"an initial set by ORB needs images; {config.data} has x {list(images.shape)}.")
        points, choose = jnp.asarray(alfi.initial.descriptors(images)), alfi.initial.farthest()
    elif config.initial_set == "stratified":
        if y.ndim > 1 or np.issubdtype(y.dtype, np.floating):
            raise ValueError(f"a stratified initial set needs classes [n]; {config.data} has {y.dtype}{list(y.shape)}.")
        points, choose = jnp.asarray(x), alfi.initial.stratified(y)
    else:
        points = embed(config, jnp.asarray(x), model)
        options: dict[str, Any] = {}
        if config.initial_set == "prob_cover" and y.ndim == 1 and np.issubdtype(y.dtype, np.integer):
            options["clusters"] = len(np.unique(y))  # how many classes there are; no label is needed for that
        choose = getattr(alfi.initial, config.initial_set)(**options)
    run = jax.jit(choose, static_argnums=2)
    return np.stack([run(jax.random.key(seed), points, config.initial) for seed in range(config.seeds)])


def embed(config: Config, x: jax.Array, model: alfi.Model) -> jax.Array:
    """Points of the pool in the embedding of the configuration."""
    embeddings = {
        "inputs": alfi.embeddings.inputs,
        "pca": alfi.embeddings.pca,
        "network": lambda: alfi.embeddings.network(model),
    }
    return jax.jit(embeddings[config.initial_embedding]())(jax.random.key(0), x, jnp.ones(x.shape[0]))
