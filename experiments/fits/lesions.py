"""Lesion segmentation: HAM10000's masks at 64 px, a U-Net, cross-entropy and Dice.

    python -m experiments.fit lesions                           eight minutes a seed on 4 busy cores
    python -m experiments.fit lesions --resolution 128          for a GPU

The Jaccard index is that of each image, averaged over the test split. To expect: .85, Dice .91 (one seed).
"""

import alfi
from alfi import losses
from experiments.fit import Fit


def get_fit() -> Fit:
    return Fit(
        data="ham10000",
        options={"task": "segmentation", "resolution": 64},
        model=lambda dataset: alfi.models.unet(2, channels=(8, 16, 32, 64)),
        likelihood=alfi.likelihoods.segmentation(alfi.likelihoods.categorical()),
        metrics={"jaccard": alfi.metrics.jaccard, "dice": alfi.metrics.dice},
        training={
            "loss": losses.add(losses.cross_entropy(), losses.dice()),
            "augment": alfi.augment.flip(),
            "minibatch_size": 16,
        },
        steps=1000,
    )
