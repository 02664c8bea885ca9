"""All observations of a case on one calibration scale: converted as published, or less certain, or refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from pipeline.errors import ConfigError
from pipeline.scales import Conversion, conversion, scale_name
from pipeline.schema import MOBILE, SATELLITE, Flag, instruments, is_used, label
from pipeline.settings import ColumnSettings, MobileSettings, Settings, StationSettings
from pipeline.units import SPECIES, Species
from station_meta.fields import UNKNOWN

_Feed = StationSettings | ColumnSettings | MobileSettings


@dataclass(frozen=True, eq=False)
class _Group:
    """Rows of one feed on one scale; `scale` is empty where nobody says. Some are used, or at least compared with."""

    who: str
    feed: _Feed
    scale: str
    rows: np.ndarray
    used: bool
    compared: bool


def on_one_scale(observations: xr.Dataset, settings: Settings) -> tuple[xr.Dataset, list[str]]:
    """Return observations on one scale, and what was done to them.

    The scale is `case.scale`, else the one that all used observations are on but those of a feed with `scale_error`.
    What is on another is converted where a conversion is published. Where none is, or the scale is not known, the
    feed's `scale_error` adds to the uncertainty as an independent error, and SCALE_UNCONVERTED says so. Of what is only
    compared with (HELD_OUT) and declares no `scale_error` the flag and a note are all: it is compared as it is.

    A converted column stays comparable: with c' = s c + o for air, y = p + k c becomes s y + o, and its prior's part p
    becomes s p + o (1 - k).

    Parameters
    ----------
    observations
        Dataset "observations".
    settings
        The case.

    Raises
    ------
    ConfigError
        When observations are on several scales without `case.scale`, or one cannot be converted and its feed declares
        no `scale_error`.
    """
    gas = SPECIES[settings.case.species]
    groups = _groups(observations, settings, gas)
    target = _target(groups, settings, gas)
    value, spread, sigma = (observations[name].values.astype(np.float64) for name in ("value", "spread", "uncertainty"))
    flag, scale = observations["flag"].values.copy(), observations["scale"].values.astype(object)
    prior = observations["prior_part"].values.copy() if "prior_part" in observations else None
    notes = []
    for group in groups:
        rows, found = group.rows, conversion(group.scale, target, gas) if group.scale else None
        idle = not group.used and group.feed.scale_error is None
        silent = idle and not (group.compared and any(one.used for one in groups))
        if found == Conversion(1.0, 0.0) or (found is None and silent):
            continue
        if found is not None:
            value[rows] = found.slope * value[rows] + found.offset
            spread[rows] *= found.slope
            sigma[rows] *= found.slope
            if prior is not None:
                seen = observations["kernel_sum"].values[rows]
                prior[rows] = found.slope * prior[rows] + found.offset * (1.0 - seen)
            scale[rows] = target
            notes.append(
                f"{group.who}: converted from {group.scale} to {target}, "
                f"{found.slope:.6g} x {found.offset:+.4g} {gas.mole_fraction_unit}"
            )
            continue
        error = 0.0 if idle else _error_of(group, target)
        sigma[rows] = np.hypot(sigma[rows], error)
        flag[rows] |= np.uint32(Flag.SCALE_UNCONVERTED)
        against = f"not converted to {target}" if target else "which no other observation is on"
        so = "compared as it is" if idle else f"taken with {error:g} {gas.mole_fraction_unit} more of uncertainty"
        notes.append(f"{group.who}: on {group.scale or 'a scale that is not known'}, {against}; {so}")
    if not notes:
        return observations, []
    changed = {"value": value, "spread": spread, "uncertainty": sigma, "flag": flag, "scale": scale.astype(np.str_)}
    if prior is not None:
        changed["prior_part"] = prior
    return label(
        observations.assign({name: ("obs", values) for name, values in changed.items()}), "observations"
    ), notes


def _groups(observations: xr.Dataset, settings: Settings, gas: Species) -> list[_Group]:
    """Return the rows by feed and scale, in the order of the settings."""
    station, platform = (observations[name].values.astype(str) for name in ("station", "platform"))
    made_by, height = instruments(station, platform), observations["height"].values
    stated, flag = observations["scale"].values.astype(str), observations["flag"].values
    used, compared = is_used(flag), is_used(flag & ~np.uint32(Flag.HELD_OUT))
    feeds: list[tuple[str, _Feed, np.ndarray]] = [
        (
            f"{feed.id} at {feed.height:g} m",
            feed,
            (platform != SATELLITE) & (station == feed.id) & (height == feed.height),
        )
        for feed in settings.stations
    ]
    feeds += [(feed.id, feed, (platform == SATELLITE) & (made_by == feed.id)) for feed in settings.columns]
    # a laboratory's segments, whose ids are longer than its own
    drives = (platform == MOBILE) & (station != made_by)
    feeds += [(lab.id, lab, drives & (made_by == lab.id)) for lab in settings.mobile]
    groups = []
    for who, feed, mine in feeds:
        for text in np.unique(stated[mine]):
            rows = np.flatnonzero(mine & (stated == text))
            taken = "" if text.casefold() == UNKNOWN else str(text)
            if not taken and isinstance(feed, ColumnSettings):
                taken = feed.scale or ""
            some = (bool(mask[rows].any()) for mask in (used, compared))
            groups.append(_Group(who, feed, scale_name(taken, gas), rows, *some))
    return groups


def _target(groups: list[_Group], settings: Settings, gas: Species) -> str:
    """Return the scale to be on; empty when no observation need be on one."""
    if settings.case.scale is not None:
        return scale_name(settings.case.scale, gas)
    judged = [group for group in groups if group.used and group.feed.scale_error is None]
    names = sorted({group.scale for group in judged})
    if len(names) > 1 or names == [""]:
        on = {name: dict.fromkeys(group.who for group in judged if group.scale == name) for name in names}
        told = "; ".join(f"{name or 'not known'}: {', '.join(who)}" for name, who in on.items())
        raise ConfigError(
            "observations must be on one calibration scale that is known",
            got=told,
            remedy="set case.scale, to which they are converted; declare scale (columns) where it is not known, or "
            "scale_error where there is no conversion",
            where="case.scale",
        )
    return names[0] if names else ""


def _error_of(group: _Group, target: str) -> float:
    if group.feed.scale_error is None:
        raise ConfigError(
            f"a conversion to {target or 'a scale'} must be published, or scale_error be declared",
            got=group.scale or "a scale that is not known",
            remedy="declare scale_error, the one-sigma difference of the two scales, or leave the feed out",
            where=group.who,
        )
    return group.feed.scale_error
