"""Tracks of a mobile laboratory, written by the tests that use them."""

import numpy as np

from pipeline.settings import MobileSettings

BOX = (118.0, 123.3, 27.0, 31.3)
COLUMNS = {
    "time": ["DATE", "TIME"], "time_format": "%Y-%m-%d %H:%M:%S", "lon": "lon", "lat": "lat", "value": "co2",
    "unit": "ppm", "fix": "fix", "fix_valid": ["1", "2"], "speed": "speed", "heading": "heading",
    "wind_from": "wind_from", "co": "co",
}  # fmt: skip
METRES = np.pi / 180 * 6371e3


def laboratory(**changes):
    columns = COLUMNS | changes.pop("columns", {})
    declared = {
        "id": "VAN", "files": ["*.csv"], "height": 3, "lag": 0, "box": BOX, "representation_error": 5.0,
        "columns": {key: value for key, value in columns.items() if value is not None},
    }  # fmt: skip
    return MobileSettings.model_validate(declared | changes)


def drive(seconds, *, start="2024-07-01T10:00:00", speed=36.0, lon=119.75, lat=30.25, value=420.0):
    """Return a drive to the north in the van's own columns: 36 km/h is a segment each ten seconds."""
    clock = np.datetime64(start, "s") + np.arange(seconds)
    noise = np.random.default_rng(1).normal(0, 0.2, seconds)
    return {
        "DATE": np.array([str(t)[:10] for t in clock]), "TIME": np.array([str(t)[11:] for t in clock]),
        "lon": np.full(seconds, lon), "lat": lat + speed / 3.6 * np.arange(seconds) / METRES,
        "co2": np.round(value + noise, 3), "fix": np.full(seconds, "1"), "speed": np.full(seconds, speed),
        "heading": np.zeros(seconds), "wind_from": np.zeros(seconds), "co": np.full(seconds, 150.0),
    }  # fmt: skip


def write(path, columns):
    names = list(columns)
    rows = zip(*(columns[name] for name in names), strict=True)
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path
