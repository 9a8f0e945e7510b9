"""Quickstart: does it pay to let Fisher information choose the labels?

Eight strategies against random on real data, from the same initial sets: handwritten digits (scikit-learn's, bundled),
BreastMNIST ultrasound, HAM10000 dermoscopy at 28 px (lesion-disjoint split, 2,000 images). No validation set is used.
The split is one for all seeds, so intervals are over initial sets, initialisations and minibatches.

    python -m experiments.run quickstart                                      two minutes on 4 cores
    python -m experiments.run quickstart --seeds 20 --name digits-20          three to four minutes
    python -m experiments.run quickstart --data breastmnist                   about half an hour
    python -m experiments.run quickstart --data ham10000 --resolution 28      about half an hour

To expect (area under the accuracy curve, difference to random with 95 % interval): digits, 20 seeds: D-optimal
+.049 [.039, .058], V-optimal +.062 [.054, .071]. BreastMNIST: no strategy differs from random by more than its
interval. HAM10000, balanced accuracy, 5 seeds: D-optimal +.068 [.036, .100]; the networks are not trained to the end
there (300 steps leave a training accuracy of .65 to .75 with 400 labels).
"""

from experiments.config import Config

STRATEGIES = ("random", "entropy", "margin", "core_set", "badge", "bait", "d_optimal", "v_optimal")


def get_config(data: str = "digits") -> Config:
    common = {"data": data, "strategies": STRATEGIES, "contrasts": ("d_optimal", "v_optimal")}
    if data == "digits":
        return Config(name="quickstart", model="mlp", seeds=10, initial=20, rounds=12, batch_size=10, **common)
    images = {"model": "cnn", "steps": 300, "chunk_size": 512, "rounds": 6, **common}
    if data == "ham10000":
        return Config(
            name="quickstart-ham10000",
            seeds=5,
            initial=100,
            batch_size=50,
            resolution=28,
            subset=2000,
            metric="balanced_accuracy",
            **images,
        )
    return Config(name=f"quickstart-{data}", seeds=10, initial=40, batch_size=20, **images)
