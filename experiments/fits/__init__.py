"""Networks trained on a whole training split: one file each, `get_fit() -> Fit`, run by `python -m experiments.fit`."""
