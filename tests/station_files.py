"""Small station files in the real formats, and a station table, written by the tests that use them."""

import csv
from datetime import datetime, timedelta

import netCDF4
import numpy as np

import station_meta
from pipeline.settings import StationSettings

HEADER_LINES = 12


def registry(folder, **changes):
    """Return a checked station table of one regional station at 10 m and 50 m; `changes` replace its cells."""
    row = {
        "id": "ABC", "name_zh": "", "name_en": "A test station", "station_class": "external", "lon": "119.75",
        "lat": "30.25", "ground_height": "20", "inlets": "10;50", "species": "co2;ch4", "instrument": "CRDS",
        "scale": "co2:WMO CO2 X2019;ch4:WMO CH4 X2004A", "zone": "UTC", "hour_label": "start",
        "uncertainty": "co2:0.1;ch4:1", "valid_from": "", "valid_to": "", "illustrative": "true", "source": "a test",
    }  # fmt: skip
    rows = [{**row, **change} for change in changes.pop("rows", [changes])]
    path = folder / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=station_meta.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return station_meta.load(path)


def feed(kind, **changes):
    declared = {"id": "ABC", "format": kind, "files": ["*"], "height": 50, "representation_error": 1.0, "air": "dry"}
    return StationSettings.model_validate(declared | changes)


def minutes(start, count, step=1):
    first = datetime.fromisoformat(start)
    return [first + timedelta(minutes=step * i) for i in range(count)]


def gcwerks(path, times, co2, *, ch4=None, kinds=None, ports=None, spread=0.05, number=19):
    """Write minute or hourly rows; times are those of the labels."""
    ch4 = np.full(len(times), 1950.0) if ch4 is None else ch4
    lines = [
        "Created:  6 Jan 22 08:30 GMT",
        "     -      -         -    -       ch4     ch4   ch4       co2     co2   co2 ",
        "  date   time      type port         C   stdev     N         C   stdev     N ",
    ]
    for i, (time, carbon, methane) in enumerate(zip(times, co2, ch4, strict=True)):
        kind = kinds[i] if kinds else "air"
        port = ports[i] if ports else 9
        lines.append(
            f"{time:%y%m%d %H%M%S} {kind:>9} {port:4d} {methane:9.2f} {0.5:7.3f} {number:5d}"
            f" {carbon:9.2f} {spread:7.3f} {number:5d}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def icos_atc(path, rows, *, scale="115: WMO CO2 X2019; 116: Unknown", unit="µmol.mol-¹", where=("30.25", "119.75")):
    """Write rows of (time, value, flag, instrument)."""
    head = [
        "# TITLE: CO2 - continuous time series",
        f"# HEADER LINES: {HEADER_LINES}",
        "# STATION CODE: ABC",
        f"# LATITUDE: {where[0]} N",
        f"# LONGITUDE: {where[1]} E",
        "# PARAMETER: CO2",
        "# TIME INTERVAL: hourly",
        f"# MEASUREMENT UNIT: {unit}",
        "# TIME ZONE: UTC +0",
        f"# MEASUREMENT SCALE: {scale}",
        "#   - Time-averaged values are reported at the beginning of the averaging interval.",
        "#Site;SamplingHeight;Year;Month;Day;Hour;Minute;DecimalDate;co2;Stdev;NbPoints;Flag;InstrumentId",
    ]
    body = [
        f"ABC;50;{time:%Y;%m;%d;%H;%M};2024.5;{value:.3f};{0.4 if value > 0 else -9.99:.3f};{49};{flag};{instrument}"
        for time, value, flag, instrument in rows
    ]
    path.write_text("\n".join(head + body) + "\n", encoding="utf-8")
    return path


def obspack(
    path, start, value, *, unit="mol mol-1", flags=None, noaa=False, heights=None, where=(119.75, 30.25), **attrs
):
    """Write hours in the way of the European ObsPack (time is the midpoint), or of NOAA's (time is the beginning)."""
    said = {
        "site_code": "ABC", "dataset_parameter": "co2", "dataset_platform": "fixed",
        "dataset_calibration_scale": "WMO CO2 X2019", "dataset_data_frequency": 1.0,
        "dataset_data_frequency_unit": "hour",
    }  # fmt: skip
    begin = np.array(start, dtype="datetime64[s]").astype(np.int64)
    with netCDF4.Dataset(path, "w") as data:
        for key, text in (said | attrs).items():
            data.setncattr(key, text)
        data.createDimension("obs", len(begin))
        data.createDimension("letters", 3)

        def add(name, kind, values, **about):
            variable = data.createVariable(name, kind, ("obs",) if np.ndim(values) == 1 else ("obs", "letters"))
            variable.setncatts(about)
            variable[:] = values

        words = "Time-averaged values are reported at the {} of the averaging interval."
        since = "seconds since 1970-01-01T00:00:00Z"
        mark = "beginning" if noaa else "midpoint"
        add("time", "i4", begin + (0 if noaa else 1800), units=since, comment=words.format(mark))
        if not noaa:
            add("start_time", "i4", begin, units=since, comment=words.format("beginning"))
        add("value", "f8", np.asarray(value), units=unit)
        add("value_std_dev", "f8", np.full(len(begin), 0.5) * np.asarray(value) / 400, units=unit)
        add("nvalue", "i4", np.full(len(begin), 57))
        add("longitude", "f4", np.full(len(begin), where[0]))
        add("latitude", "f4", np.full(len(begin), where[1]))
        add("intake_height", "f4", np.asarray(heights if heights is not None else np.full(len(begin), 50.0)))
        letters = flags or (["..."] if noaa else ["O"]) * len(begin)
        width = 3 if noaa else 1
        cells = np.array([list(flag.ljust(width)) for flag in letters], dtype="S1")
        add("qcflag" if noaa else "qc_flag", "S1", cells if noaa else cells[:, 0])
    return path


def wdcgg(path, rows):
    """Write months of (year, month, value)."""
    head = [
        "REM01  EXPLANATORY 25-LINE FOR THE MONTHLY DATA",
        "REM07  LATITUDE:   30 15' N",
        "REM08  LONGITUDE: 119 45' E",
        "REM11  PARAMETER: CO2",
        "REM13  UNIT: ppm",
        "REM17  CALIBRATION: WMO CO2 X2007(1990-08-01 - 2017-12-01)",
        "REM24 M      CO2   V    ND      SD   F   RATIO_A   RATIO_B",
        "REM25        ppm",
    ]
    body = [f"{y} {m:02d}  {value:.3f} -99 -9999 -999999 -99  1.000000  0.000000" for y, m, value in rows]
    path.write_text("\n".join(head + body) + "\n")
    return path
