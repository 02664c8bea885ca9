"""Mobile laboratories in, "observations" of segments out, with their receptors and an account of every row.

What becomes of a row stands in `drive`. Unless the settings say otherwise, segments are held out: something to compare
with, not evidence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import InputError
from pipeline.ingest.account import Account
from pipeline.ingest.declared import require_laboratory
from pipeline.ingest.drive import MobileRules, read_drive
from pipeline.ingest.files import expand, shown_names
from pipeline.ingest.nothing import nothing
from pipeline.ingest.quarantine import refused_of
from pipeline.ingest.registry import read_rules, rules_table
from pipeline.ingest.site import scale_of
from pipeline.ingest.soundings import sounding_ids
from pipeline.schema import MOBILE, label
from pipeline.settings import MobileSettings, Settings
from pipeline.units import SPECIES, Species
from station_meta import Station


def read_mobile(settings: Settings, root: Path, registry: pd.DataFrame) -> tuple[xr.Dataset, xr.Dataset, list[Account]]:
    """Return the segments of a case's mobile laboratories, their receptors, and what became of every row.

    Parameters
    ----------
    settings
        The case; `mobile` names the files, at least one.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.

    Returns
    -------
    observations
        Sorted by time, then station: the hour a segment lies in, and its id, which begins with the laboratory's. The
        value of an enhancement sees nothing of the background (kernel_sum 0).
    receptors
        Row for row the segments: a release from the inlet's mean place over the segment's seconds.
    accounts
        One per file, in the order of the settings and then of the names; its hours are segments. Of a file that cannot
        be used, why.

    Raises
    ------
    ConfigError
        As `require_laboratory`.
    InputError
        When a pattern matches no file, and as `require_laboratory`. A file that cannot be used is set aside.
    """
    gas = SPECIES[settings.case.species]
    rules = read_rules(settings, root, registry)
    # of the case, not of a file: what is wrong there stops the run
    rules_table(rules, "mobile", MobileRules)
    for feed in settings.mobile:
        require_laboratory(feed, gas, registry, rules)
    observed = [nothing("observations", gas, "prior_part", "kernel_sum", "enhancement")]
    released = [nothing("receptors", gas)]
    accounts: list[Account] = []
    for feed in settings.mobile:
        paths = sorted({path for pattern in feed.files for path in expand(root, pattern)})
        hours = settings.case.observation_hours.bounds
        try:
            drive = read_drive(paths, feed, gas, registry, rules, root=root, window=hours)
        except InputError as error:
            refused = refused_of(error, paths, shown_names(paths, root))
            accounts += [one.account(feed.id, gas.name, feed.height) for one in refused]
            continue
        observed.append(_observations(drive.segments, feed, gas, drive.facts))
        released.append(_receptors(drive.segments, feed, gas))
        accounts += drive.accounts
    both = [xr.concat(parts, dim="obs", combine_attrs="override") for parts in (observed, released)]
    order = np.lexsort((both[0]["station"].values, both[0]["time"].values))
    return label(both[0].isel(obs=order), "observations"), label(both[1].isel(obs=order), "receptors"), accounts


def _observations(segments: pd.DataFrame, feed: MobileSettings, gas: Species, facts: Station) -> xr.Dataset:
    size = len(segments)
    above = feed.value_means == "enhancement"
    columns = {
        "time": segments["time"].to_numpy().astype("datetime64[h]").astype("datetime64[ns]"),
        "value": segments["value"].to_numpy(dtype=np.float64),
        "uncertainty": np.full(size, facts.uncertainty_of(gas.name)),
        "spread": segments["spread"].to_numpy(dtype=np.float64),
        "count": segments["count"].to_numpy(dtype=np.int64),
        "flag": segments["bits"].to_numpy(dtype=np.uint32),
        "station": _ids(segments, feed),
        "platform": np.full(size, MOBILE),
        "lon": segments["lon"].to_numpy(dtype=np.float64),
        "lat": segments["lat"].to_numpy(dtype=np.float64),
        "height": np.full(size, feed.height),
        "scale": np.full(size, "" if above else scale_of(facts, gas)),
        "prior_part": np.zeros(size),
        "kernel_sum": np.full(size, 0.0 if above else 1.0),
        "enhancement": segments["enhancement"].to_numpy(dtype=np.float64),
    }
    return xr.Dataset({name: ("obs", values) for name, values in columns.items()}, attrs={"species": gas.name})


def _receptors(segments: pd.DataFrame, feed: MobileSettings, gas: Species) -> xr.Dataset:
    columns = {
        "time": segments["time"].to_numpy().astype("datetime64[ns]"),
        "duration": segments["seconds"].to_numpy(dtype=np.float64),
        "station": _ids(segments, feed),
        "lon": segments["lon"].to_numpy(dtype=np.float64),
        "lat": segments["lat"].to_numpy(dtype=np.float64),
        "height": np.full(len(segments), feed.height),
    }
    return xr.Dataset({name: ("obs", values) for name, values in columns.items()}, attrs={"species": gas.name})


def _ids(segments: pd.DataFrame, feed: MobileSettings) -> np.ndarray:
    middle, lon, lat = (segments[name].to_numpy() for name in ("middle", "lon", "lat"))
    return sounding_ids(feed.id, middle.astype("datetime64[ns]"), lon, lat)
