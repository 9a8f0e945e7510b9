"""What a good design is: one file for each criterion."""

from alfi.criteria.a_optimal import a_optimal
from alfi.criteria.c_optimal import c_optimal
from alfi.criteria.d_optimal import d_optimal
from alfi.criteria.ds_optimal import ds_optimal
from alfi.criteria.e_optimal import e_optimal
from alfi.criteria.eig import eig
from alfi.criteria.epig import epig, epig_from_samples
from alfi.criteria.from_matrix import from_matrix
from alfi.criteria.g_optimal import g_optimal
from alfi.criteria.l_optimal import l_optimal
from alfi.criteria.min_distance import min_distance
from alfi.criteria.phi_p import phi_p
from alfi.criteria.score import score
from alfi.criteria.trace import trace
from alfi.criteria.v_optimal import v_optimal

__all__ = [
    "a_optimal",
    "c_optimal",
    "d_optimal",
    "ds_optimal",
    "e_optimal",
    "eig",
    "epig",
    "epig_from_samples",
    "from_matrix",
    "g_optimal",
    "l_optimal",
    "min_distance",
    "phi_p",
    "score",
    "trace",
    "v_optimal",
]
