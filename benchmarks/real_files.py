"""What becomes of every row of the real observation files at hand: `python -m benchmarks.real_files ../shared/data`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.ingest import account, inspect_columns, load_registry, read_station
from pipeline.settings import ColumnSettings, StationSettings
from pipeline.units import species

#: file, gas, and the feed that reads it
STATIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("tac.picarro.1minute.100m.201407.dat", "co2", {"id": "TAC", "format": "gcwerks", "height": 100,
     "completeness": {"expected": 18, "minimum": 12}}),
    ("tac.picarro.1minute.100m.201407.dat", "ch4", {"id": "TAC", "format": "gcwerks", "height": 100,
     "completeness": {"expected": 18, "minimum": 12}}),
    ("bsd.picarro.hourly.108m.min.dat", "co2", {"id": "BSD", "format": "gcwerks", "height": 108}),
    ("co2_cbw_tower-insitu_445_allvalid-207magl.nc", "co2", {"id": "CBW", "format": "obspack", "height": 207}),
    ("svb_co2.csv", "co2", {"id": "SVB", "format": "icos-csv", "height": 150}),
    ("ICOS_ATC_L2_L2-2024.1_RGL_90.0_CTS.CH4", "ch4", {"id": "RGL", "format": "icos-atc", "height": 90}),
    ("ch4_bao_tower-insitu_1_ccgg_all.nc", "ch4", {"id": "BAO", "format": "obspack", "height": 300}),
    ("wlg236n0.dat", "co2", {"id": "WLG", "format": "wdcgg", "height": 10}),
)  # fmt: skip
COLUMNS = (
    ("tropomi_ch4_2022-12-07.nc", "ch4", "openmethane"),
    ("tropomi_ch4_2022-12-08.nc", "ch4", "openmethane"),
    ("oco2-spectrometer_oco2_20150131-336_co2-column.nc", "co2", "oco2-lite"),
    ("hw20230402_20230402.public.qc.nc", "co2", "tccon"),
    ("hw20230402_20230402.public.qc.nc", "ch4", "tccon"),
)

#: files of which neither scale nor uncertainty is known, nor what a label marks: assumed for this look alone
NODES = (
    ("beaco2n_175_BELLAHOUSTONACADEMY.csv", {"id": "BEACON_175", "format": "beaco2n", "node": {"id": "175"}}),
    ("beaco2n_171_UNIVERSITYOFSTRATHCLYDE.csv", {"id": "BEACON_171", "format": "beaco2n", "node": {"id": "171"}}),
    ("aqmesh_co2_data.csv", {"id": "AQMESH_11245", "format": "aqmesh", "node": {"id": "11245"}}),
    ("Jungfraujoch_CO2_20240101-20240331.csv", {"id": "JFJ", "format": "table", "air": "dry",
     "table": {"time": "Time (UTC)", "value": "CO2 (ppm)", "unit": "ppm", "time_format": "%d.%m.%Y %H:%M:%S"}}),
)  # fmt: skip


def _feed(declared: dict[str, Any], path: Path) -> StationSettings:
    return StationSettings.model_validate({"files": [path.name], "representation_error": 0.0, **declared})


def main(root: Path) -> None:
    """Print the account of each file, or why it is refused."""
    registry = load_registry([])
    known = ~registry["id"].isin([feed["id"] for _, feed in NODES])
    for column, value in (("scale", "co2:WMO CO2 X2019"), ("uncertainty", "co2:5")):
        registry[column] = registry[column].where(known, value)
    heights = registry.set_index("id")["inlets"]
    feeds = [(name, gas, feed) for name, gas, feed in STATIONS]
    feeds += [
        (name, "co2", {**feed, "hour_label": "start", "height": float(str(heights[feed["id"]]).split(";")[0])})
        for name, feed in NODES
    ]
    for name, gas, declared in feeds:
        path = root / "stations" / name
        try:
            told = read_station(path, _feed(declared, path), species(gas), registry)[1]
            print(account.render([told]), end="\n\n")
        except InputError as error:
            print(f" {name}\n   {declared['id']} {gas}, refused: {error}\n")
    for name, gas, layout in COLUMNS:
        feed = ColumnSettings.model_validate(
            {"id": layout.upper().replace("-", "_"), "format": layout, "files": [name], "representation_error": 0.0}
        )
        told, notes = inspect_columns(root / "columns" / name, feed, species(gas))
        print("\n".join([account.render([told]), *(f"- {note}" for note in notes)]), end="\n\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
