"""Continuous designs with a certificate: the optimum over weights, a bound no batch can exceed, and rounding."""

from alfi.design.bound import bound, submodular_bound
from alfi.design.efficiency import Efficiency, efficiency
from alfi.design.match import Match, match
from alfi.design.matrix_free import block_regret, relax, solve_probes
from alfi.design.regret import regret
from alfi.design.round import apportion, round
from alfi.design.solve import solve

__all__ = [
    "Efficiency",
    "Match",
    "apportion",
    "block_regret",
    "bound",
    "efficiency",
    "match",
    "regret",
    "relax",
    "round",
    "solve",
    "solve_probes",
    "submodular_bound",
]
