"""The exact observation-space inversion: operator, covariance, problem, solution, posterior, diagnostics."""

from pipeline.inversion.assemble import Assembled, assemble
from pipeline.inversion.covariance import SeparableCovariance, exponential_matrix, separable_covariance
from pipeline.inversion.diagnostics import Summary, constraint_notes, leave_out, rms, summarise
from pipeline.inversion.memory import memory_needed, require_memory
from pipeline.inversion.operator import footprint_matrix, match_rows
from pipeline.inversion.posterior import Totals, members, spread_of, totals
from pipeline.inversion.problem import Problem
from pipeline.inversion.result import DIAGNOSTICS, posterior, reporting_periods
from pipeline.inversion.solve import Solution, signal_covariance, solve

__all__ = [
    "DIAGNOSTICS",
    "Assembled",
    "Problem",
    "SeparableCovariance",
    "Solution",
    "Summary",
    "Totals",
    "assemble",
    "constraint_notes",
    "exponential_matrix",
    "footprint_matrix",
    "leave_out",
    "match_rows",
    "members",
    "memory_needed",
    "posterior",
    "reporting_periods",
    "require_memory",
    "rms",
    "separable_covariance",
    "signal_covariance",
    "solve",
    "spread_of",
    "summarise",
    "totals",
]
