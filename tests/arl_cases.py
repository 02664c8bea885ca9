"""A small ARL packed file, written byte by byte."""

import numpy as np
import pandas as pd

from pipeline.ingest.arl import checksum

LAMBERT = (90.0, 0.0, 45.0, 8.0, 12.0, 0.0, 45.0, 6.0, 5.0, 45.0, 8.0, 0.0)
NY, NX = 12, 45
LEVELS = [1.0, 1000.0, 925.0, 850.0]


def weather(**changes):
    """Return (level, variable) -> (first value, step) of a small atmosphere; None takes a field out."""
    surface = {"PRSS": (1010.0, 0.125), "PBLH": (800.0, 1.0), "USTR": (0.25, 2**-9), "SHTF": (-20.0, 0.5),
               "SHGT": (30.0, 0.25), "RGHS": (0.125, 2**-8)}  # fmt: skip
    fields = {(0, name): value for name, value in surface.items()}
    for level, height in enumerate((150.0, 800.0, 1500.0), start=1):
        upper = {"HGTS": (height, 0.5), "TEMP": (290.0 - 5 * level, 2**-5), "UWND": (4.0 + level, 2**-6),
                 "VWND": (-2.0, 2**-6), "WWND": (-0.0625, 2**-12), "RELH": (60.0, 0.125)}  # fmt: skip
        fields |= {(level, name): value for name, value in upper.items()}
    for name, value in changes.items():
        for key in [key for key in fields if key[1] == name]:
            fields[key] = value
    return {key: value for key, value in fields.items() if value is not None}


def write(path, fields, hours=(0, 1, 2), grid=LAMBERT, vertical=2):
    data = b""
    for time in pd.Timestamp("2024-06-01") + pd.to_timedelta(hours, unit="h"):
        date, listing, records = f"{time.year % 100:2d}{time.month:2d}{time.day:2d}{time.hour:2d} 0", "", b""
        for level, value in enumerate(LEVELS):
            held = {name: field for (at, name), field in fields.items() if at == level}
            listing += f"{value:6.1f}{len(held):2d}"
            for name, (corner, step) in held.items():
                packed = np.full((NY, NX), 128, np.uint8)
                packed[0, 0] = 127
                exponent = int(np.log2(step)) + 7
                text = f"{date}{level:2d}99{name}{exponent:4d}{2.0**exponent / 254:14.7E}{corner:14.7E}"
                listing += f"{name}{checksum(packed):3d} "
                records += text.encode() + packed.tobytes()
        head = f"TEST  0 0{''.join(f'{number:7.2f}' for number in grid)}"
        head += f"{NX:3d}{NY:3d}{len(LEVELS):3d}{vertical:2d}{108 + len(listing):4d}{listing}"
        index = f"{date} 099INDX   0{0:14.7E}{0:14.7E}{head}".encode()
        data += index.ljust(50 + NX * NY) + records
    path.write_bytes(data)
    return path
