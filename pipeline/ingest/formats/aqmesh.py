"""Hourly CSV of AQMesh pods, several in one file; -999 for missing.

    date_UTC,co2_ppm,pod_id_location,pod_id,location_name,location_id,ratification_status
    2021-06-16 01:00:00,413.76,11245,11245,Briar Road Clydebank,C06,P

`pod_id_location` is a pod at one of its places, and is what a feed's `node.id` names: a pod that is moved gets another.
Positions stand in a metadata file of its own, and in the station table. The states of ratification are not explained
in the file; we take P for provisional and R for ratified. What a label marks is not said.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.ingest.formats.beaco2n import level_note, node_of, not_valid, other_device
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, HOUR, RAGGED, Samples, first_reason, samples
from pipeline.ingest.formats.text import named_columns, numbers, times
from pipeline.settings import StationSettings
from pipeline.units import Species

_STATE = "ratification"


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:
    """Return all rows of a file of pods; those of other pods say so.

    Raises
    ------
    FormatError
        When a column is missing, that of the species for one.
    """
    node = node_of(feed)
    wanted = ("date_UTC", f"{gas.name}_ppm", "pod_id_location", "ratification_status")
    rows, (utc, text, number, state) = named_columns(path, wanted)
    label, (value, bad) = times(utc, "%Y-%m-%d %H:%M:%S"), numbers(text)
    mine = number == node.id
    return samples(
        label,
        value,
        first_reason(
            len(label),
            (rows.ragged, RAGGED),
            other_device(number, node, "pod"),
            (np.isnat(label), BAD_TIME),
            (bad, BAD_NUMBER),
            *not_valid(state, node, _STATE),
        ),
        unit="ppm",
        interval=HOUR,
        marks=None,
        zone="UTC",
        where=path.name,
        notes=(*rows.notes, *level_note(state[mine], node, _STATE)),
    )
