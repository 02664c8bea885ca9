"""The exact observation-space inversion: operator, covariance, problem, solution, posterior, diagnostics."""

from pipeline.inversion.assemble import Assembled, assemble
from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.covariance import Covariance, sector_covariance
from pipeline.inversion.cross import Span, products
from pipeline.inversion.diagnostics import (
    DIAGNOSTICS,
    LeftOut,
    Summary,
    constraint_notes,
    leave_out,
    leave_out_groups,
    rms,
    summarise,
)
from pipeline.inversion.factor import Factor, factorise
from pipeline.inversion.kept import pack, unpack
from pipeline.inversion.kept_signal import kept_signal
from pipeline.inversion.memory import memory_needed, require_memory
from pipeline.inversion.operator import footprint_matrix, match_rows
from pipeline.inversion.posterior import Spread, members, spread_of
from pipeline.inversion.problem import Problem
from pipeline.inversion.result import posterior, reporting_periods
from pipeline.inversion.result_regions import region_functionals, region_weights
from pipeline.inversion.rows import Rows, rows_of
from pipeline.inversion.solve import Signal, Solution, signal, solution_of, solve
from pipeline.inversion.spatial import Isotropic, Separable, spatial_correlation
from pipeline.inversion.temporal import Temporal
from pipeline.inversion.totals import (
    HourlyTotals,
    Totals,
    averaging_kernel,
    combined,
    hourly_functionals,
    hourly_totals,
    period_totals,
    totals,
)

__all__ = [
    "DIAGNOSTICS",
    "Assembled",
    "CorrelatedError",
    "Covariance",
    "Factor",
    "HourlyTotals",
    "Isotropic",
    "LeftOut",
    "Problem",
    "Rows",
    "Separable",
    "Signal",
    "Solution",
    "Span",
    "Spread",
    "Summary",
    "Temporal",
    "Totals",
    "assemble",
    "averaging_kernel",
    "combined",
    "constraint_notes",
    "factorise",
    "footprint_matrix",
    "hourly_functionals",
    "hourly_totals",
    "kept_signal",
    "leave_out",
    "leave_out_groups",
    "match_rows",
    "members",
    "memory_needed",
    "pack",
    "period_totals",
    "posterior",
    "products",
    "region_functionals",
    "region_weights",
    "reporting_periods",
    "require_memory",
    "rms",
    "rows_of",
    "sector_covariance",
    "signal",
    "solution_of",
    "solve",
    "spatial_correlation",
    "spread_of",
    "summarise",
    "totals",
    "unpack",
]
