"""Experiments: configurations, run, report. Here are jit, vmap, files and plots; alfi itself has none of them."""

import os

# LAPACK on a CPU comes from OpenBLAS, whose threads spin and fight XLA's own: on a busy machine ten 585 x 585 Cholesky
# factorisations took 2 s with them and 12 ms without. XLA's own threads are enough.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
