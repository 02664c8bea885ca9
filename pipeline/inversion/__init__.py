"""The exact observation-space inversion: operator, covariance, problem, solution, posterior, diagnostics."""

from pipeline.inversion.along_track import correlated_share
from pipeline.inversion.assemble import Assembled, assemble
from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.correlation import Correlation, correlation_coordinates, stated_covariance, told_correlations
from pipeline.inversion.covariance import Covariance, sector_covariance
from pipeline.inversion.cross import Put, Span, Work, blocks_of, products
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
from pipeline.inversion.gate import Gate, gate_notes, gate_of, marked, passing, through
from pipeline.inversion.kept import is_linearised, pack, unpack
from pipeline.inversion.kept_signal import kept_signal
from pipeline.inversion.likelihood import Evaluation, Likelihood, drifts_of
from pipeline.inversion.lognormal import LogProblem, log_problem, solve_log
from pipeline.inversion.lognormal_chain import Chain
from pipeline.inversion.lognormal_result import LogRun
from pipeline.inversion.memory import memory_needed, require_memory
from pipeline.inversion.operator import footprint_matrix, match_rows
from pipeline.inversion.posterior import BATCH, Draw, Spread, draw, members, members_at, spread_of
from pipeline.inversion.prior_only import prior_only
from pipeline.inversion.problem import Problem
from pipeline.inversion.problem_digest import problem_digest
from pipeline.inversion.restated import Parameter, parameters_of, restated
from pipeline.inversion.result import posterior, reporting_periods
from pipeline.inversion.result_hours import functionals_of_hours, posterior_of_hours
from pipeline.inversion.result_observed import station_numbers
from pipeline.inversion.result_regions import region_functionals, region_weights
from pipeline.inversion.rows import Rows, rows_of
from pipeline.inversion.solve import Signal, Solution, signal, solution_of, solve
from pipeline.inversion.sources import Asked, Run, Sources, in_threads
from pipeline.inversion.spatial import Isotropic, Separable, spatial_correlation
from pipeline.inversion.temporal import Temporal
from pipeline.inversion.temporal import correlation as time_correlation
from pipeline.inversion.thinning import taken, thinned
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
from pipeline.inversion.tuning import UNDETERMINED, Tuned, tune

__all__ = [
    "BATCH",
    "DIAGNOSTICS",
    "UNDETERMINED",
    "Asked",
    "Assembled",
    "Chain",
    "CorrelatedError",
    "Correlation",
    "Covariance",
    "Draw",
    "Evaluation",
    "Factor",
    "Gate",
    "HourlyTotals",
    "Isotropic",
    "LeftOut",
    "Likelihood",
    "LogProblem",
    "LogRun",
    "Parameter",
    "Problem",
    "Put",
    "Rows",
    "Run",
    "Separable",
    "Signal",
    "Solution",
    "Sources",
    "Span",
    "Spread",
    "Summary",
    "Temporal",
    "Totals",
    "Tuned",
    "Work",
    "assemble",
    "averaging_kernel",
    "blocks_of",
    "combined",
    "constraint_notes",
    "correlated_share",
    "correlation_coordinates",
    "draw",
    "drifts_of",
    "factorise",
    "footprint_matrix",
    "functionals_of_hours",
    "gate_notes",
    "gate_of",
    "hourly_functionals",
    "hourly_totals",
    "in_threads",
    "is_linearised",
    "kept_signal",
    "leave_out",
    "leave_out_groups",
    "log_problem",
    "marked",
    "match_rows",
    "members",
    "members_at",
    "memory_needed",
    "pack",
    "parameters_of",
    "passing",
    "period_totals",
    "posterior",
    "posterior_of_hours",
    "prior_only",
    "problem_digest",
    "products",
    "region_functionals",
    "region_weights",
    "reporting_periods",
    "require_memory",
    "restated",
    "rms",
    "rows_of",
    "sector_covariance",
    "signal",
    "solution_of",
    "solve",
    "solve_log",
    "spatial_correlation",
    "spread_of",
    "stated_covariance",
    "station_numbers",
    "summarise",
    "taken",
    "thinned",
    "through",
    "time_correlation",
    "told_correlations",
    "totals",
    "tune",
    "unpack",
]
