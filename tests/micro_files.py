"""Files of micro stations in the exact forms their makers write, for the tests that read them."""

import netCDF4
import numpy as np

from pipeline.hj212 import checksum

NAME = "010000A8900016F000169DC0"


def packet(body, *, cn="2061", mn=NAME, flag=4, parts="", qn="20240701090105000"):
    """Return the bytes of one packet; `parts` is for example "PNUM=2;PNO=1;"."""
    data = f"QN={qn};ST=22;CN={cn};PW=123456;MN={mn};Flag={flag};{parts}CP=&&{body}&&".encode()
    return b"##%04d%s%04X\r\n" % (len(data), data, checksum(data))


def hour(number, value, letter="N", *, field="Avg", **about):
    """Return the packet of an hour of 1 July 2024, station's clock; the value as it is to be written."""
    body = f"DataTime=202407{1 + number // 24:02d}{number % 24:02d}0000;a34004-Avg=21,a34004-Flag=N;"
    return packet(f"{body}a05001-{field}={value},a05001-Flag={letter}", **about)


def beaco2n(path, rows, *, node=175):
    """Write rows of (UTC time, co2, QC level); local stamps are 7 hours behind, as in California's summer."""
    head = "local_timestamp,datetime,node_id,epoch,julian_day,PM_ug/m3,PM_ug/m3_QC_level,co_ppm,co_ppm_QC_level"
    lines = [f"{head},co2_ppm,co2_ppm_QC_level"]
    for time, value, level in rows:
        utc = np.datetime64(time, "s")
        local = utc - np.timedelta64(7, "h")
        epoch = (utc - np.datetime64(0, "s")).astype(int)
        stamps = f"{local},{utc}".replace("T", " ")
        lines.append(f"{stamps},{node},{epoch:.1f},196.5,7.3,,0.06,1a,{value},{level}")
    path.write_text("\n".join(lines))
    return path


def aqmesh(path, rows):
    """Write rows of (UTC time, co2, pod, state)."""
    head = "date_UTC,co2_ppm,pod_id_location,pod_id,location_name,location_id,ratification_status"
    lines = [f"{time:%Y-%m-%d %H:%M:%S},{value},{pod},{pod},A road,C01,{state}" for time, value, pod, state in rows]
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def receptor_list(path, start, places, value, *, agl=3.0, hour_off=0):
    """Write hours from `start`, every place in each of them; value (hour, place)."""
    hours = np.datetime64(start, "h") + np.arange(len(value))
    when = np.repeat(hours, len(places))
    lon, lat = np.tile(np.asarray(places, dtype=float).T, len(hours))
    days = when.astype("datetime64[D]")
    months = when.astype("datetime64[M]")
    numbers = {
        "fjul": when.astype("datetime64[s]").astype(float), "lat": lat, "lon": lon,
        "agl": np.full(when.size, agl), "co2": np.ravel(value), "co2e": np.full(when.size, 1.5),
        "yr": when.astype("datetime64[Y]").astype(int) + 1970.0, "mon": months.astype(int) % 12 + 1.0,
        "day": (days - months).astype(int) + 1.0, "hr": (when - days).astype(int) + float(hour_off),
    }  # fmt: skip
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("id", when.size)
        for name, values in numbers.items():
            data.createVariable(name, "f8", ("id",))[:] = values
    return path
