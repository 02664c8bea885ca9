"""What quality control made of faults put in on purpose: found, mended, let through; and alarms without a cause."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.case import domain_grid, station_weather
from pipeline.grid import open_store
from pipeline.ingest import read_registry
from pipeline.ingest.feeds import judge_case
from pipeline.osse import case_file
from pipeline.osse.faults import FAULTS, OWN, read_record
from pipeline.schema import HOUR, UNUSED, Flag, flag_names, is_used
from pipeline.settings import input_root, read_settings

#: an hour that is used is as good as sound when it differs by less, ppm
_MENDED = 2.0
#: flags that are no finding: selection, and what follows from gaps
_NO_FINDING = UNUSED | Flag.MISSING | Flag.INCOMPLETE | Flag.SCALE_UNCONVERTED
_RESULT = "flagged innovation"


@dataclass(frozen=True, eq=False)
class Detection:
    """What became of harmed hours, and of sound ones.

    Parameters
    ----------
    faults
        One row a kind that is in the case: fault, stations, hours; `lost` (there is no value, or one not used),
        `mended` (used, within 2 ppm of the sound hour), `flagged` (used, and suspect), `unnoticed` (used as if it were
        good), and of the last two those the innovation gate took, `gate`: counts of hours. `by` names the flags.
    alarms
        Share of the sound hours that carry each flag which is a finding, by its name.
    sound
        Sound hours.
    """

    faults: pd.DataFrame
    alarms: dict[str, float]
    sound: int


def detect(folder: Path) -> Detection:
    """Return what quality control made of the faults of a simulated case.

    Parameters
    ----------
    folder
        Of `make_case` with faults; if the case was run there, the gate's findings are counted too.

    Raises
    ------
    InputError
        When the case has no faults.
    """
    record = read_record(folder / case_file.FAULTS)
    table = _hours(folder).merge(_gated(folder), how="left", on=["station", "time"])
    table["gate"] = table["gate"].notna()
    rows = []
    harmed = pd.Series(False, index=table.index)
    for name in [*FAULTS, OWN]:
        mine = _within(table, record[record["fault"] == name])
        harmed |= mine
        if (record["fault"] == name).any():
            rows.append(_row(name, table[mine]))
    clean = table[~harmed & (table["flag"] >= 0)]
    bits = clean["flag"].to_numpy(dtype=np.int64)
    alarms = {flag_names(int(f))[0]: float(np.mean((bits & int(f)) != 0)) for f in Flag if not f & _NO_FINDING}
    return Detection(pd.DataFrame(rows), {k: v for k, v in alarms.items() if v}, len(clean))


def print_detection(folder: Path) -> None:
    """Print the detection table of a simulated case with faults."""
    found, console = detect(folder), Console(width=150)
    table = Table(box=box.SIMPLE, show_edge=False, title=f"faults of {folder.name}", title_justify="left")
    for heading in (
        "fault",
        "stations",
        "hours",
        "not used",
        "mended",
        "suspect, used",
        "unnoticed",
        "of these: gate",
        "by",
    ):
        table.add_column(heading, justify="left" if heading in ("fault", "by") else "right", overflow="fold")
    for row in found.faults.to_dict("records"):
        hours = max(int(row["hours"]), 1)
        shares = [f"{100 * row[key] / hours:.0f} %" for key in ("lost", "mended", "flagged", "unnoticed", "gate")]
        table.add_row(row["fault"], str(row["stations"]), str(row["hours"]), *shares, row["by"])
    console.print(table)
    told = ", ".join(f"{name} {100 * share:.2f} %" for name, share in found.alarms.items())
    console.print(f"of {found.sound} sound hours with a value: {told or 'none flagged'}", highlight=False)


def _hours(folder: Path) -> pd.DataFrame:
    """Return one row an hour and station: flag (-1 where there is no value at all), value and sound value."""
    path = folder / "case.toml"
    settings = read_settings(path)
    root = input_root(settings, path)
    around = station_weather(settings, domain_grid(settings), root, path)
    feeds, *_ = judge_case(settings, root, read_registry(settings, root), around)
    with xr.open_dataset(folder / case_file.SOUND) as data:
        sound = data["sound"].to_series().rename("sound").reset_index()
    judged = [
        pd.DataFrame({"station": o.settings.id, "time": o.hours.time, "value": o.hours.value, "flag": o.hours.flag})
        for o in feeds
    ]
    found = sound.merge(pd.concat(judged, ignore_index=True), how="left", on=["station", "time"])
    found["flag"] = found["flag"].fillna(-1).astype(np.int64)
    return found


def _gated(folder: Path) -> pd.DataFrame:
    """Return station and time of what the innovation gate took, when the case was run."""
    store = folder / case_file.STORE
    if not store.exists():
        return pd.DataFrame({"station": pd.Series(dtype=str), "time": pd.Series(dtype="datetime64[ns]"), "gate": True})
    result = open_store(store)
    out = np.array([_RESULT in str(reason) for reason in result["obs_reason"].values])
    columns = {name: result[f"obs_{name}"].values[out] for name in ("station", "time")}
    return pd.DataFrame({**columns, "gate": True}).drop_duplicates(["station", "time"])


def _within(table: pd.DataFrame, record: pd.DataFrame) -> pd.Series:
    """Return the mask of rows in the spans of a record."""
    marked = [
        pd.DataFrame({"station": station, "time": np.arange(start, end, HOUR), "mine": True})
        for station, start, end in zip(
            record["station"], record["start"].to_numpy(), record["end"].to_numpy(), strict=True
        )
    ]
    if not marked:
        return pd.Series(False, index=table.index)
    keys = pd.concat(marked, ignore_index=True).drop_duplicates()
    return table[["station", "time"]].merge(keys, how="left", on=["station", "time"])["mine"].notna()


def _row(name: str, mine: pd.DataFrame) -> dict[str, object]:
    """Return what became of the hours of one kind."""
    flag = mine["flag"].to_numpy()
    used = (flag >= 0) & is_used(np.maximum(flag, 0).astype(np.uint32) & ~np.uint32(UNUSED))
    mended = used & (np.abs(mine["value"].to_numpy() - mine["sound"].to_numpy()) < _MENDED)
    found = (np.maximum(flag, 0) & ~int(_NO_FINDING)) != 0
    suspect, unnoticed = used & ~mended & found, used & ~mended & ~found
    gate = (suspect | unnoticed) & mine["gate"].to_numpy()
    bits = [
        (int(np.sum((np.maximum(flag, 0) & int(f)) != 0)), flag_names(int(f))[0]) for f in Flag if not f & _NO_FINDING
    ]
    by = ", ".join(text for count, text in sorted(bits, reverse=True)[:3] if count)
    return {
        "fault": name,
        "stations": int(mine["station"].nunique()),
        "hours": len(mine),
        "lost": int(np.sum(~used)),
        "mended": int(mended.sum()),
        "flagged": int(suspect.sum()),
        "unnoticed": int(unnoticed.sum()),
        "gate": int(gate.sum()),
        "by": by,
    }
