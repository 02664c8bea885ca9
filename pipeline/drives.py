"""Drives of a mobile laboratory without a case: what `tianyan ingest mobile` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.ingest import load_registry
from pipeline.ingest.drive import Drive, read_drive
from pipeline.ingest.registry import load_own_rules
from pipeline.settings import MobileSettings, read_section
from pipeline.units import Species
from pipeline.units import species as species_of


@dataclass(frozen=True, eq=False)
class Tracks:
    """What was read, the species, and what the drive is."""

    drive: Drive
    gas: Species
    title: str


def read_tracks(
    paths: Sequence[Path], section: Path, species: str, tables: Sequence[Path], rules: Sequence[Path] = ()
) -> Tracks:
    """Return the drive of some tracks, read as a section declares.

    Parameters
    ----------
    paths
        Files of one laboratory.
    section
        TOML file of the keys of one section [[mobile]], without files.
    species
        Name of the gas.
    tables
        Station tables of one's own.
    rules
        Tables of thresholds of one's own.

    Raises
    ------
    ConfigError
        When the section cannot be read or used.
    InputError
        As `pipeline.ingest.drive.read_drive`.
    """
    feed = read_section(MobileSettings, section, {"files": [path.name for path in paths]})
    gas = species_of(species)
    registry = load_registry(tables)
    drive = read_drive(list(paths), feed, gas, registry, load_own_rules(rules, registry))
    return Tracks(drive, gas, f"{feed.id} {drive.facts.name_en}, {gas.name}")
