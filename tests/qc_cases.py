"""The case file of the tests of quality control's reports, but for its stations."""

CASE = """
[case]
name = "qc"
title = "quality control"
species = "co2"
flux_hours = { start = 2024-07-01T00:00:00Z, end = 2024-07-02T00:00:00Z }
observation_hours = { start = OBSERVED, end = 2024-07-02T00:00:00Z }
[inputs]
station_tables = ["table.csv"]
[grid]
crs = "EPSG:4326"
x = { first = 119.0, step = 0.5, count = 4 }
y = { first = 29.0, step = 0.5, count = 4 }
[[footprints]]
format = "name"
files = ["*.nc"]
[[sectors]]
name = "SECTOR"
sigma_fraction = 0.5
length = 50
hours = 5
sources = [{ file = "flux.nc", format = "netcdf", variable = "flux" }]
[background]
kind = "curtains"
file = "edges.nc"
unit = "ppm"
sigma = 1.0
hours = 6
[outputs]
store = "out.zarr"
"""


def case_text(*, observed: str, sector: str) -> str:
    """Return the case, observed from a time to the end of the day, with one sector."""
    return CASE.replace("OBSERVED", observed).replace("SECTOR", sector)
