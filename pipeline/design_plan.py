"""Observations that a network would make: every used hour of every feed of the settings, and of candidates.

No observation file is read. Which hours are used follows from the settings as it does for a real feed: `local_hours`,
and with `case.select` the thresholds of the station's class on the weather. All of them are taken to report, each with
the station table's measurement error; position and class are the station table's too. A candidate has the settings and
the facts of a feed of its class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.design_sites import KINDS, Site
from pipeline.errors import ConfigError, TianyanError
from pipeline.ingest import read_registry
from pipeline.ingest.registry import read_rules
from pipeline.ingest.rows import station_rules
from pipeline.ingest.site import Periods, fitting_periods, periods, registry_error
from pipeline.ingest.surroundings import Surroundings, selection_bits
from pipeline.schema import HOUR, label
from pipeline.settings import Settings, StationSettings
from pipeline.units import Species, species
from station_meta import Rules, StationMetaError


@dataclass(frozen=True)
class Template:
    """The feed whose settings and facts candidates of a class have.

    Parameters
    ----------
    kind
        The class.
    feed
        The first of the commonest statement of errors and hours among the feeds of the class.
    alike, of
        How many feeds of the class say the same, and how many there are.
    """

    kind: str
    feed: StationSettings
    alike: int
    of: int

    def told(self, unit: str) -> str:
        """Return what it means, in a sentence."""
        feed = self.feed
        offset = "" if feed.offset is None else f", offset {feed.offset.sigma:g} {unit} over {feed.offset.hours:g} h"
        hours = "all hours" if feed.local_hours is None else "{}-{} h by the sun".format(*feed.local_hours)
        return (
            f"{self.kind}: as {feed.id} ({self.alike} of {self.of} feeds of the class): representation error "
            f"{feed.representation_error:g} {unit}, enhancement error {feed.enhancement_error:.0%}{offset}, {hours}"
        )


class Planner:
    """Makes planned observations of a case.

    Parameters
    ----------
    settings
        The case.
    root
        Folder of the input paths.
    around
        The weather at stations; needed where hours are selected by it.

    Raises
    ------
    RegistryError
        When station tables or thresholds cannot be used.
    """

    def __init__(self, settings: Settings, root: Path, around: Surroundings | None = None) -> None:
        self.settings, self.around = settings, around
        self.gas: Species = species(settings.case.species)
        self.registry: pd.DataFrame = read_registry(settings, root)
        self.rules: Rules = read_rules(settings, root, self.registry)
        start, end = settings.case.observation_hours.bounds
        self.hours = np.arange(start, end, HOUR)

    def template(self, kind: str) -> Template:
        """Return what candidates of a class are like.

        Raises
        ------
        ConfigError
            When the case has no feed of the class.
        RegistryError
            When a feed's station is not known.
        """
        mine = [
            feed
            for feed in self.settings.stations
            if fitting_periods(feed, self.gas, self.registry)[0].station_class in KINDS[kind]
        ]
        if not mine:
            raise ConfigError(
                f"the case must have a feed of the class {kind}, whose errors a candidate has",
                got=f"none of {len(self.settings.stations)}",
                remedy="give candidates a class the case has, or add a feed of that class",
                where="stations",
            )
        said = [(f.representation_error, f.enhancement_error, f.offset, f.local_hours) for f in mine]
        # of equally common ones the first that is met
        common, alike = Counter(said).most_common(1)[0]
        return Template(kind, mine[said.index(common)], alike, len(mine))

    def network(self) -> xr.Dataset | None:
        """Return the observations of the case's station feeds, not sorted; None when there are none.

        Raises
        ------
        RegistryError
            When a station is not known, or its measurement error is not.
        """
        parts = []
        for feed in self.settings.stations:
            facts = self._facts(feed)
            at = facts.which
            lon, lat = (np.array([getattr(s, name) for s in facts.stations])[at] for name in ("lon", "lat"))
            kept = (at >= 0) & self._is_used(feed, facts, facts.one.lon, facts.one.lat)
            parts.append(self._observations(feed, facts, feed.id, lon, lat, feed.height, kept))
        return xr.concat(parts, dim="obs", combine_attrs="override") if parts else None

    def of_site(self, site: Site, template: Template) -> xr.Dataset:
        """Return the observations of a candidate.

        Raises
        ------
        RegistryError
            When the measurement error of its template is not known.
        """
        facts = self._facts(template.feed)
        lon, lat = (np.full(self.hours.size, place) for place in (site.lon, site.lat))
        kept = (facts.which >= 0) & self._is_used(template.feed, facts, site.lon, site.lat)
        return self._observations(template.feed, facts, site.station, lon, lat, site.height, kept)

    def with_sites(self, sites: Sequence[Site], templates: dict[str, Template], *, alone: bool) -> Settings:
        """Return the settings of the case with the candidates as feeds, beside the network's or alone.

        Columns, mobile laboratories and towers are left out: when and where they report is known from files alone.
        """
        feeds = [
            templates[site.kind].feed.model_copy(update={"id": site.station, "height": site.height, "files": []})
            for site in sites
        ]
        network = [] if alone else self.settings.stations
        none: list[object] = []
        others = {"columns": none, "mobile": none, "sinks": none, "bias_filter": None}
        return self.settings.model_copy(update={"stations": [*network, *feeds], **others})

    def _facts(self, feed: StationSettings) -> Periods:
        return periods(self.hours.astype("datetime64[ns]"), feed, self.gas, self.registry)

    def _is_used(self, feed: StationSettings, facts: Periods, lon: float, lat: float) -> np.ndarray:
        """Return which hours are used, (hour,): as `pipeline.ingest.feeds` selects those of a file."""
        rules = station_rules(self.rules, facts, feed, self.gas)
        bits = selection_bits(self.hours, lon, feed.local_hours, None, None, rules)
        if self.settings.case.select:
            wind = layer = None
            if self.around is not None and (rules.wind is not None or rules.mixing is not None):
                wind, layer = self.around(np.full(self.hours.size, lon), np.full(self.hours.size, lat), self.hours)
            own = None if feed.local_hours is not None else rules.hours
            bits |= selection_bits(self.hours, lon, own, wind, layer, rules)
        return bits == 0

    def _observations(
        self, feed: StationSettings, facts: Periods, station: str, lon: np.ndarray, lat: np.ndarray, height: float,
        kept: np.ndarray,
    ) -> xr.Dataset:  # fmt: skip
        size = int(kept.sum())
        try:
            sigma = np.array([s.uncertainty_of(self.gas.name) for s in facts.stations])[facts.which[kept]]
        except StationMetaError as error:
            raise registry_error(error) from error
        if size and not np.all(np.isfinite(sigma)):
            raise TianyanError("a measurement error must be finite", remedy="correct the station table", where=feed.id)
        columns = {
            "time": self.hours[kept].astype("datetime64[ns]"),
            # no variance depends on a value
            "value": np.zeros(size),
            "uncertainty": sigma.astype(np.float64),
            "spread": np.full(size, np.nan),
            "count": np.ones(size, np.int64),
            "flag": np.zeros(size, np.uint32),
            "station": np.full(size, station),
            "platform": np.full(size, facts.one.station_class),
            "lon": lon[kept].astype(np.float64),
            "lat": lat[kept].astype(np.float64),
            "height": np.full(size, height),
            "scale": np.full(size, ""),
        }
        bare = xr.Dataset({n: ("obs", v) for n, v in columns.items()}, attrs={"species": self.gas.name})
        return label(bare, "observations")
