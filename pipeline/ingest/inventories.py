"""Prior fluxes: inventories and biosphere files on the domain grid and hours, by sector."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline import units
from pipeline.errors import ConfigError, CoordinateError, GridError, InputError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.grid.overlap import Overlap, kept_overlap
from pipeline.grid.regrid import regrid_density
from pipeline.ingest.axes import require_domain
from pipeline.ingest.files import expand
from pipeline.ingest.flux_files import Field, read_field
from pipeline.ingest.netcdf import open_netcdf
from pipeline.ingest.temporal import hour_shape
from pipeline.schema import HOUR, hours_between, label
from pipeline.settings import FluxSource, Settings


def read_fluxes(
    settings: Settings, grid: Grid, root: Path, *, cache: Path | None = None
) -> tuple[xr.Dataset, list[str]]:
    """Read the prior fluxes of every sector.

    Parameters
    ----------
    settings
        The case; `sectors` names the files, `case.flux_hours` the hours.
    grid
        The domain's grid.
    root
        Folder of the input paths.
    cache
        Folder of overlaps that were made before; they are as if made now.

    Returns
    -------
    fluxes
        Dataset "fluxes" of `pipeline.schema`: flux, and flux_std = sqrt((sigma_fraction |flux|)^2 + sigma_floor^2),
        times the sector's mask.
    notes
        Sentences for the output: tonnes per year inside and outside the grid, what was scaled, missing or uncovered.

    Raises
    ------
    ConfigError
        When the settings contradict the format.
    InputError
        One of its kinds, naming file, rule, value and remedy.
    GridError
        When a file's cells cannot exist, or do not touch the domain.
    """
    hours = hours_between(*settings.case.flux_hours.bounds)
    reader = _Sources(units.species(settings.case.species), grid, root, hours, cache)
    flux = np.zeros((len(settings.sectors), hours.size, *grid.shape))
    std = np.empty_like(flux)
    for index, sector in enumerate(settings.sectors):
        for source in sector.sources:
            flux[index] += reader.read(sector.name, source)
        std[index] = np.hypot(sector.sigma_fraction * flux[index], sector.sigma_floor)
        if sector.mask is not None:
            std[index] *= reader.mask(sector.name, sector.mask)
    dims = ("sector", "time", "y", "x")
    coords = {
        **grid.coordinates(),
        "sector": ("sector", np.array([sector.name for sector in settings.sectors])),
        "time": ("time", hours),
    }
    dataset = xr.Dataset(
        {"flux": (dims, flux), "flux_std": (dims, std)}, coords=coords, attrs={"species": settings.case.species}
    )
    return label(dataset, "fluxes"), reader.notes


def require_fluxes(settings: Settings, grid: Grid, root: Path, hour: np.datetime64) -> None:
    """Raise unless every file of the prior fluxes can be used; whether an hourly one covers an hour, the hour will see.

    Parameters
    ----------
    settings, grid, root
        As for `read_fluxes`.
    hour
        Any.

    Raises
    ------
    ConfigError, InputError, GridError
        As `read_fluxes`, naming the file.
    """
    start = hour.astype("datetime64[ns]")
    reader = _Sources(units.species(settings.case.species), grid, root, hours_between(start, start + HOUR))
    for sector in settings.sectors:
        for source in sector.sources:
            _usable(reader.read, sector.name, source)
        if sector.mask is not None:
            _usable(reader.mask, sector.name, sector.mask)


def read_inventory(
    path: Path, sector: str, source: FluxSource, hours: np.ndarray, grid: Grid, gas: units.Species
) -> tuple[np.ndarray, str]:
    """Read the mean flux of one file, that no case names, over some hours.

    Parameters
    ----------
    path
        The file.
    sector
        What it is of, for the note.
    source
        What is said about it, but for its path and its times: one field is the same in every hour, of several each is
        that of its hours.
    hours : (hour,) datetime64[ns]
        To take the mean over.
    grid
        To put it on.
    gas
        Of the flux.

    Returns
    -------
    flux : (y, x) float64
        The gas's flux unit, positive upward; 0 where the file has nothing.
    note
        Tonnes per year inside and outside the grid, and what of the grid is not covered.

    Raises
    ------
    InputError
        One of its kinds, naming file, rule, value and remedy; for a file that names another gas, too.
    GridError
        When its cells cannot exist, or do not touch the grid.
    """
    if source.format == "netcdf":
        source = source.model_copy(update={"time": _time_of(path, source, gas)})
    reader = _Sources(gas, grid, path.parent, hours)
    return reader.mean(sector, path, source), reader.notes[0]


def _time_of(path: Path, source: FluxSource, gas: units.Species) -> str:
    """Return whether a netCDF variable has times; raise when it names another gas."""
    with open_netcdf(path) as data:
        if source.variable not in data.data_vars:
            return source.time
        field = data[source.variable]
        words = [str(source.variable), *(str(field.attrs.get(name, "")) for name in ("standard_name", "long_name"))]
        named = _gases(" ".join(words))
        if named and gas.name not in named:
            raise InputError(
                f"the inventory must be of the store's gas, {gas.name}",
                got=" ".join(filter(None, words)),
                remedy="give that of the gas",
                where=f"{path.name}: {source.variable}",
            )
        return "hourly" if field.sizes.get("time", 1) > 1 else "constant"


def _gases(text: str) -> set[str]:
    """Return the gases that a text names.

    Examples
    --------
    >>> sorted(_gases("emi_CH4, kg")), sorted(_gases("surface_upward_mass_flux_of_carbon_dioxide")), _gases("content")
    (['ch4'], ['co2'], set())
    """
    plain = f"_{re.sub('[^a-z0-9]+', '_', text.lower())}_"
    return {name for name, gas in units.SPECIES.items() if f"_{name}_" in plain or f"_{gas.standard_name}_" in plain}


def _usable(read: Callable[[str, FluxSource], np.ndarray], sector: str, source: FluxSource) -> None:
    try:
        read(sector, source)
    except TimeError:
        if source.time != "hourly":
            raise


class _Sources:
    """Reads sources onto one grid and its hours; overlaps are made once per source grid."""

    def __init__(
        self, gas: units.Species, grid: Grid, root: Path, hours: np.ndarray, cache: Path | None = None
    ) -> None:
        self.cache = cache
        self.gas, self.grid, self.root, self.hours = gas, grid, root, hours
        self.overlaps: dict[Grid, Overlap] = {}
        self.notes: list[str] = []

    def read(self, sector: str, source: FluxSource) -> np.ndarray:
        """Return one source's flux (time, y, x) in the species' unit, positive upward."""
        if source.time == "hourly" and source.profile != "flat":
            raise ConfigError(
                "a profile spreads a constant field",
                got='time "hourly" with a profile',
                remedy="remove the profile",
                where=source.file,
            )
        path = self._path(source)
        field = read_field(path, source, self.hours, self.grid, self.gas)
        placed = self._placed(sector, path.name, source, field)
        return placed[field.step] * hour_shape(source.profile, source.profile_zone, self.hours, self.grid)

    def mean(self, sector: str, path: Path, source: FluxSource) -> np.ndarray:
        """Return one file's mean flux over the hours, (y, x) in the species' unit, positive upward."""
        field = read_field(path, source, self.hours, self.grid, self.gas)
        steps, counts = np.unique(field.step, return_counts=True)
        # to regrid is linear: the mean first
        values = np.tensordot(counts / counts.sum(), field.values[steps], axes=1)[None]
        mean = Field(values, field.grid, field.unit, np.zeros(1, dtype=np.int64))
        return self._placed(sector, path.name, source, mean)[0]

    def _placed(self, sector: str, name: str, source: FluxSource, field: Field) -> np.ndarray:
        """Return a field on the domain grid, (step, y, x) in the species' unit, and note what it is."""
        remarks: list[str] = []
        density = self._density(field, source, name, remarks)
        placed, outside = self._place(density, field.grid, name, remarks)
        self._note(sector, name, source, placed, outside, remarks)
        return placed

    def mask(self, sector: str, source: FluxSource) -> np.ndarray:
        """Return the shares (time, y, x) that a sector's sigma is multiplied by; missing values are no share."""
        path = self._path(source)
        field = read_field(path, source, self.hours, self.grid, self.gas)
        if field.unit != "1":
            raise UnitError("shares must have unit 1", got=field.unit, remedy='declare unit = "1"', where=path.name)
        shares = np.nan_to_num(field.values, nan=0.0)
        if shares.min() < 0 or shares.max() > 1:
            raise InputError(
                "shares must lie in [0, 1]",
                got=f"{shares.min():g} to {shares.max():g}",
                remedy="give shares of each cell, not percent",
                where=path.name,
            )
        remarks: list[str] = []
        placed, _ = self._place(shares, field.grid, path.name, remarks)
        self.notes.append("; ".join([f"{sector}: {path.name}: sigma is cut to its share of each cell", *remarks]))
        return placed[field.step]

    def _path(self, source: FluxSource) -> Path:
        paths = expand(self.root, source.file)
        if len(paths) != 1:
            raise ConfigError(
                "a source is one file", got=[path.name for path in paths], remedy="list each", where=source.file
            )
        return paths[0]

    def _density(self, field: Field, source: FluxSource, name: str, remarks: list[str]) -> np.ndarray:
        """Return (step, y, x) on the file's grid, in the species' flux unit, positive upward."""
        missing = ~np.isfinite(field.values)
        if missing.any() and source.missing == "refuse":
            raise InputError(
                "a flux must have no missing values",
                got=f"{int(missing.sum())} of {missing.size} values missing",
                remedy='declare missing = "zero" for this source if they mean no flux (land in an ocean file)',
                where=name,
            )
        if missing.any():
            remarks.append(f"{int(missing.sum())} of {missing.size} missing values taken as no flux")
        factor, per_cell = units.flux_factor(field.unit, self.gas, where=name)
        factor *= source.scale * (-1.0 if source.positive == "down" else 1.0)
        values = np.where(missing, 0.0, field.values) * factor
        below = int(np.count_nonzero(values < 0))
        if below and (source.negative or ("refuse" if source.time == "constant" else "allow")) == "refuse":
            raise InputError(
                "an inventory of emissions must not be negative",
                got=f"{below} of {values.size} values below 0",
                remedy='correct the file, or declare negative = "allow" for this source if they mean uptake',
                where=name,
            )
        return values / field.grid.area if per_cell else values

    def _place(self, density: np.ndarray, source: Grid, name: str, remarks: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the density on the domain grid, and (step,) what lies outside, flux unit times m2."""
        try:
            require_domain(source, self.grid, where=name)
        except CoordinateError:
            if source not in self.overlaps:
                try:
                    self.overlaps[source] = kept_overlap(source, self.grid, self.cache)
                except GridError as error:
                    raise GridError(error.rule, got=error.got, remedy=error.remedy, where=name) from error
            shared = self.overlaps[source]
            placed = regrid_density(density, shared)
            bare = float(((1.0 - shared.coverage) * self.grid.area).sum() / self.grid.area.sum())
            if bare > 0:
                remarks.append(f"{100 * bare:.3g} % of the grid is not covered by the file and has no flux from it")
            return placed.field, placed.outside
        return density, np.zeros(density.shape[0])

    def _note(
        self,
        sector: str,
        name: str,
        source: FluxSource,
        placed: np.ndarray,
        outside: np.ndarray,
        remarks: list[str],
    ) -> None:
        """Add a sentence on the mean mass, t per year, before any hour-of-day shape."""
        tonnes = units.tonnes_per_flux_unit(self.gas) * units.SECONDS_PER_YEAR
        kept = float((placed * self.grid.area).sum(axis=(-2, -1)).mean()) * tonnes
        lost = float(outside.mean()) * tonnes
        if source.scale != 1.0:
            remarks.append(f"times {source.scale:g}: {source.reason}")
        text = f"{sector}: {name}: {kept:.6g} t {self.gas.name} per year inside the grid, {lost:.6g} t outside"
        self.notes.append("; ".join([text, *remarks]))
