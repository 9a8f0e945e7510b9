"""What a good design is: one file for each criterion."""

from alfi.criteria.a_optimal import a_optimal
from alfi.criteria.bald import bald
from alfi.criteria.batch_bald import batch_bald
from alfi.criteria.blockwise import blockwise
from alfi.criteria.c_optimal import c_optimal
from alfi.criteria.cluster import cluster
from alfi.criteria.combine import combine, mean_rank, normalised_sum, product, weighted_sum
from alfi.criteria.coverage import coverage
from alfi.criteria.d_optimal import d_optimal
from alfi.criteria.ds_optimal import ds_optimal
from alfi.criteria.e_optimal import e_optimal
from alfi.criteria.eig import eig
from alfi.criteria.epig import epig, epig_from_samples
from alfi.criteria.facility_location import facility_location
from alfi.criteria.from_matrix import from_matrix
from alfi.criteria.g_optimal import g_optimal
from alfi.criteria.herding import herding
from alfi.criteria.l_optimal import l_optimal
from alfi.criteria.mean_distance import mean_distance
from alfi.criteria.min_distance import min_distance
from alfi.criteria.over import over
from alfi.criteria.phi_p import phi_p
from alfi.criteria.score import score
from alfi.criteria.soft_minimum import soft_minimum
from alfi.criteria.trace import trace
from alfi.criteria.v_optimal import v_optimal

__all__ = [
    "a_optimal",
    "bald",
    "batch_bald",
    "blockwise",
    "c_optimal",
    "cluster",
    "combine",
    "coverage",
    "d_optimal",
    "ds_optimal",
    "e_optimal",
    "eig",
    "epig",
    "epig_from_samples",
    "facility_location",
    "from_matrix",
    "g_optimal",
    "herding",
    "l_optimal",
    "mean_distance",
    "mean_rank",
    "min_distance",
    "normalised_sum",
    "over",
    "phi_p",
    "product",
    "score",
    "soft_minimum",
    "trace",
    "v_optimal",
    "weighted_sum",
]
