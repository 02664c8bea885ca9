"""The error settings under which a case's observations are most likely: case file in, tuned values out.

settings -> problem, as `pipeline.case` reads it -> thinned -> largest likelihood -> values and lines for the case file
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kernels.jit import set_threads
from pipeline.case import AssembledCase, Progress, assembled_case, domain_grid, quiet
from pipeline.errors import ConfigError
from pipeline.inversion import (
    UNDETERMINED,
    Assembled,
    Likelihood,
    Parameter,
    Tuned,
    correlated_share,
    drifts_of,
    gate_of,
    parameters_of,
    signal,
    taken,
    thinned,
    tune,
)
from pipeline.schema import HOUR, MOBILE, SATELLITE, instruments
from pipeline.settings import Settings, input_root, read_settings
from pipeline.units import species

#: errors that are sought may be stated too small: only what lies this many gates away is left out
_WIDER = 2.0
#: last part of a parameter's name, by its kind
_WORD = {
    "sigma": "sigma",
    "length": "length",
    "hours": "hours",
    "inflation": "variance",
    "shared sigma": "sigma",
    "shared hours": "hours",
}


@dataclass(frozen=True)
class Line:
    """One parameter of the table.

    Parameters
    ----------
    name
        As `--only` takes it: biosphere.length.
    meaning
        What it is, with its unit.
    stated, tuned
        In the case file, and at the maximum.
    error
        Standard error as a share; infinite at a bound.
    determined
        Whether the observations tell it.
    """

    name: str
    meaning: str
    stated: float
    tuned: float
    error: float
    determined: bool


@dataclass(frozen=True, eq=False)
class CaseTuning:
    """What tuning a case found.

    Parameters
    ----------
    tuned
        The maximum.
    used, of
        Observations it was found with, and those of the case.
    lines
        The table.
    notes
        What a reader must know, in sentences.
    toml
        Lines for the case file: parameters that are determined.
    """

    tuned: Tuned
    used: int
    of: int
    lines: list[Line]
    notes: list[str]
    toml: list[str]


def tune_case(
    path: Path,
    *,
    root: Path | None = None,
    most: int = 1000,
    every: int = 1,
    seed: int = 1,
    restricted: bool = False,
    only: tuple[str, ...] = (),
    offset_hours: bool = False,
    progress: Progress = quiet,
) -> CaseTuning:
    """Return the error settings under which a case's observations are most likely; nothing is written.

    Parameters
    ----------
    path
        The TOML file.
    root
        Folder of the inputs, when it is not the one the file names.
    most, every, seed
        As `thinned`.
    restricted
        Give away the mean background and a factor on each sector's prior: their errors are then no part of the sigmas.
    only
        Names of parameters, or the part before or after the dot; all when empty.
    offset_hours
        Seek the time over which offsets drift too.
    """
    settings = read_settings(path)
    root = input_root(settings, path) if root is None else root.resolve()
    set_threads(settings.solver.threads)
    given = assembled_case(settings, domain_grid(settings), path, root, progress)
    assembled, sectors = given.assembled, tuple(sector.name for sector in settings.sectors)
    makers = instruments(assembled.station, assembled.platform)
    hour = (assembled.time - given.time[0]) // HOUR
    kept = thinned(makers, assembled.platform, hour, most=most, every=every, seed=seed)
    passed = _passed(assembled, kept, settings)
    kept = kept[passed]
    problem, classes = taken(assembled.problem, kept), assembled.platform[kept]
    parameters = _chosen(parameters_of(problem, sectors, classes, offset_hours=offset_hours), only)
    likelihood = Likelihood(
        problem, sectors, classes, parameters, drifts_of(problem) if restricted else None, settings.solver.threads
    )
    tuned = tune(likelihood, progress=lambda asked, _: progress("evaluations", asked, 0))
    lines = [
        _line(settings, parameter, *values)
        for parameter, *values in zip(parameters, tuned.factor, tuned.error, tuned.determined, strict=True)
    ]
    factors = {p: float(f) for p, f, known in zip(parameters, tuned.factor, tuned.determined, strict=True) if known}
    notes = [*_beyond(passed, settings), *_kept_fixed(settings), *_sentences(tuned, lines)]
    return CaseTuning(
        tuned,
        kept.size,
        assembled.time.size,
        lines,
        notes,
        [*_sector_toml(settings, factors), *_error_toml(settings, given, factors)],
    )


def name_of(parameter: Parameter) -> str:
    """Return a parameter's name: what it is of, and what it is."""
    return f"{parameter.of}.{_WORD[parameter.kind]}"


def _chosen(parameters: tuple[Parameter, ...], only: tuple[str, ...]) -> tuple[Parameter, ...]:
    """Return the parameters that are named."""
    names = {parameter: name_of(parameter) for parameter in parameters}
    for word in only:
        if not any(word in (name, *name.split(".")) for name in names.values()):
            raise ConfigError(
                "a parameter must be one of the case's", got=word, remedy=f"known here: {', '.join(names.values())}"
            )
    return tuple(p for p, name in names.items() if not only or {name, *name.split(".")} & set(only))


def _passed(assembled: Assembled, kept: np.ndarray, settings: Settings) -> np.ndarray:
    """Return which of some observations pass the innovation gate, widened, with the errors the case states."""
    problem = assembled.problem.take(kept)
    made = signal(problem, threads=settings.solver.threads)
    time, platform = assembled.time[kept], assembled.platform[kept]
    return gate_of(problem, made, time, platform, _WIDER * settings.solver.gate).passed


def _beyond(passed: np.ndarray, settings: Settings) -> list[str]:
    """Return how many observations are left out as spikes."""
    gone, sigma = int(np.sum(~passed)), _WIDER * settings.solver.gate
    return [f"{gone} observation(s) more than {sigma:g} stated sigma from the prior are left out"] if gone else []


def _line(settings: Settings, parameter: Parameter, factor: float, error: float, determined: bool) -> Line:
    sector = {s.name: s for s in settings.sectors}.get(parameter.of)
    meaning, stated = "variance, factor", 1.0
    if parameter.kind == "sigma" and sector is not None:
        fraction = sector.sigma_fraction > 0
        meaning = "sigma_fraction" if fraction else "sigma_floor"
        stated = sector.sigma_fraction if fraction else sector.sigma_floor
    elif parameter.kind == "length" and sector is not None:
        meaning, stated = "length, km", sector.length
    elif parameter.kind == "hours" and sector is not None:
        meaning, stated = "hours", sector.hours
    elif parameter.of == "background":
        sigma, unit = parameter.kind == "shared sigma", species(settings.case.species).mole_fraction_unit
        meaning = f"sigma, {unit}" if sigma else "hours"
        stated = settings.background.sigma if sigma else settings.background.hours
    elif parameter.kind.startswith("shared"):
        meaning = f"{_WORD[parameter.kind]}, factor on all"
    return Line(name_of(parameter), meaning, stated, stated * float(factor), float(error), bool(determined))


def _kept_fixed(settings: Settings) -> list[str]:
    """Return what is not sought, and why."""
    notes = [
        f"{sector.name}: its correlation is {sector.correlation}; only a separable one's length is tuned, so it stays"
        for sector in settings.sectors
        if sector.correlation != "separable"
    ]
    notes += [
        f"{sector.name}: its two lengths are tuned by one factor; the share of the longer one stays"
        for sector in settings.sectors
        if sector.correlation == "separable" and sector.wide is not None
    ]
    return notes + [
        f"{sector.name}: lognormal in the case file, tuned as if its error were normal with the same sigma"
        for sector in settings.sectors
        if sector.distribution == "lognormal"
    ]


def _sentences(tuned: Tuned, lines: list[Line]) -> list[str]:
    """Return what is not determined, what cannot be told apart, and whether the search ended."""
    notes = []
    for line, bound in zip(lines, tuned.bound, strict=True):
        if bound:
            notes.append(f"{line.name} is not determined: it ran to its bound, {line.tuned:.3g}. Keep what is stated.")
        elif not line.determined:
            notes.append(
                f"{line.name} is not determined: its error is {line.error:.0%}, more than {UNDETERMINED:.0%}. "
                "Keep what is stated."
            )
    notes += [
        f"{name_of(one)} and {name_of(other)} are hardly told apart: their errors correlate by {value:.2f}"
        for one, other, value in tuned.together()
    ]
    known = [line.name for line in lines if line.determined]
    if known and len(known) < len(lines):
        notes.append(
            "the values moved together with what is not determined; for values that go with the rest of the case file, "
            f"tune them alone: {' '.join(f'--only {name}' for name in known)}"
        )
    if not tuned.converged:
        notes.append(f"the search stopped after {tuned.evaluations} evaluations before it was at a maximum")
    return notes


def _sector_toml(settings: Settings, factors: dict[Parameter, float]) -> list[str]:
    lines = []
    for sector in settings.sectors:
        found = []
        sigma = factors.get(Parameter("sigma", sector.name))
        if sigma is not None:
            found += [
                f"{key} = {value * sigma:.3g}"
                for key, value in (("sigma_fraction", sector.sigma_fraction), ("sigma_floor", sector.sigma_floor))
                if value > 0
            ]
        for key, value in (("length", sector.length), ("hours", sector.hours)):
            factor = factors.get(Parameter("length" if key == "length" else "hours", sector.name))
            found += [] if factor is None else [f"{key} = {value * factor:.3g}"]
            if key == "length" and factor is not None and sector.wide is not None:
                found.append(f"wide = {{ length = {sector.wide.length * factor:.3g}, share = {sector.wide.share:g} }}")
        lines += [f"# [[sectors]] {sector.name}", *found, ""] if found else []
    return lines


def _error_toml(settings: Settings, given: AssembledCase, factors: dict[Parameter, float]) -> list[str]:
    sigma, hours = (factors.get(Parameter(kind, "background")) for kind in ("shared sigma", "shared hours"))
    found = [] if sigma is None else [f"sigma = {settings.background.sigma * sigma:.3g}"]
    found += [] if hours is None else [f"hours = {settings.background.hours * hours:.3g}"]
    lines = ["# [background]", *found, ""] if found else []
    sigma, hours = (factors.get(Parameter(kind, "offset"), 1.0) for kind in ("shared sigma", "shared hours"))
    if (sigma, hours) != (1.0, 1.0):
        offsets: dict[tuple[float, float], list[str]] = {}
        for feed in settings.stations:
            if feed.offset is not None:
                offsets.setdefault((feed.offset.sigma, feed.offset.hours), []).append(feed.id)
        for (size, time), ids in offsets.items():
            lines += [f"# [[stations]] {_few(ids)}"]
            lines += [f"offset = {{ sigma = {size * sigma:.3g}, hours = {time * hours:.3g} }}", ""]
    return lines + _representation_toml(settings, given, factors)


def _representation_toml(settings: Settings, given: AssembledCase, factors: dict[Parameter, float]) -> list[str]:
    """Return the errors that give each class its variance: the measurement's own part stays as it is."""
    stated = {
        **{
            ("stations", f.id, round(f.height, 1)): (f.representation_error, f.enhancement_error)
            for f in settings.stations
        },
        **{("columns", c.id, 0.0): (c.representation_error, 0.0) for c in settings.columns},
        **{("mobile", lab.id, 0.0): (lab.representation_error, 0.0) for lab in settings.mobile},
        **{("sinks", s.id, 0.0): (s.representation_error, 0.0) for s in settings.sinks},
    }
    groups: dict[tuple[str, str, float, float], tuple[set[str], list[float]]] = {}
    for used, observed in ((given.assembled.air, given.observations), (given.assembled.towers, given.towers)):
        if observed is None:
            continue
        chosen = observed.isel(obs=used.rows)
        makers = instruments(chosen["station"].values, chosen["platform"].values)
        measured = (1.0 - correlated_share(settings, chosen)) * chosen["uncertainty"].values.astype(float) ** 2
        heights = np.round(chosen["height"].values.astype(float), 1)
        for maker, name, height, own in zip(makers, chosen["platform"].values, heights, measured, strict=True):
            section = "sinks" if observed is given.towers else "columns" if name == SATELLITE else "stations"
            # a laboratory that stands may be read as a station, too
            section = "mobile" if name == MOBILE and ("mobile", str(maker), 0.0) in stated else section
            said = stated[section, str(maker), float(height) if section == "stations" else 0.0]
            ids, variances = groups.setdefault((section, str(name), *said), (set(), []))
            ids.add(str(maker))
            variances.append(float(own))
    lines = []
    for (section, name, error, share), (ids, variances) in sorted(groups.items()):
        factor = factors.get(Parameter("inflation", name))
        if factor is None:
            continue
        own = float(np.mean(variances))
        left = factor * (error**2 + own) - own
        lines.append(f"# [[{section}]] {_few(sorted(ids))}, class {name}; was {error:g}")
        if left < 0:
            lines.append(f"# the measurements' own errors, {np.sqrt(own):.3g}, are already larger than what is seen")
        lines.append(f"representation_error = {np.sqrt(max(left, 0.0)):.3g}")
        if share:
            lines.append(f"enhancement_error = {share * np.sqrt(factor):.3g}")
        lines.append("")
    return lines


def _few(ids: list[str]) -> str:
    """Return some names, and how many more there are."""
    return ", ".join(ids) if len(ids) <= 4 else f"{ids[0]}, {ids[1]} ... {ids[-1]} ({len(ids)})"
