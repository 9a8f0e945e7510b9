"""Mammography image quality: the contrast threshold of an imaging condition from one simulated image of one cell.

    python -m experiments.fit cdmam        four minutes a seed on 4 busy cores

y is log10 of the threshold thickness in um at .25 mm; `rmse` is in that unit: .1 is an error of 26 %. Beside it stands
the template observer, who knows the discs, their places and the template, on as many images.

To expect: rmse .032, and .035 of the observer (one seed).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import alfi
from alfi.data import cdmam
from alfi.data.cdmam_observer import estimate_threshold, threshold
from experiments.fit import Fit


def get_fit() -> Fit:
    return Fit(
        data="cdmam",
        options={"n": 6000, "size": 64},
        model=model,
        likelihood=alfi.likelihoods.gaussian(),
        metrics={"rmse": alfi.metrics.rmse, "mae": alfi.metrics.mae},
        training={"minibatch_size": 32},
        steps=1500,
        yardstick=template_observer,
    )


def model(dataset: alfi.Dataset) -> alfi.Model:
    train = dataset.y[dataset.split == "train"]
    backbone = functools.partial(alfi.models.cnn, channels=(16, 32, 64))
    return alfi.models.regressor(backbone, location=float(train.mean()), scale=float(train.std()))


def template_observer(dataset: alfi.Dataset) -> dict[str, float]:
    """Root mean squared error of the observer, on as many images of random conditions, with the corner told."""
    n = int(np.sum(dataset.split == "test"))

    def one(key):
        key_condition, key_corner, key_noise = jax.random.split(key, 3)
        condition, corner = cdmam.conditions(key_condition), jax.random.randint(key_corner, (), 0, 4)
        image = cdmam.cell(key_noise, condition, 0.25, 1.0, corner, size=64)
        return image, corner, jnp.log10(threshold(condition, 0.25))

    images, corners, y = jax.lax.map(one, jax.random.split(jax.random.key(1), n))
    told = jnp.log10(estimate_threshold(images, 0.25, 1.0, corners))
    return {"rmse of the template observer": float(jnp.sqrt(jnp.mean((told - y) ** 2)))}
