"""Mutated observation files: whole ones cut, changed, replaced and made hostile, all from one seed.

A mutant is (name, what the file is, function that makes it at a path). What it is chooses its reader.
"""

from functools import partial

import numpy as np
import pandas as pd
from column_files import write_columns
from hostile_files import declared, external_bytes, external_link, soft_link, unknown_filter
from station_files import gcwerks, minutes, obspack

HOURS = np.datetime64("2024-07-01T00", "s") + np.arange(200) * np.timedelta64(3600, "s")
VALUES = 4.2e-4 + 1e-6 * np.sin(np.arange(200.0))
PAGE = b"<!DOCTYPE html><html><body>503 Service Unavailable</body></html>"


def classic(path):
    """Write the ObsPack file in netCDF's classic format."""
    import netCDF4

    source = obspack(path.with_suffix(".source"), HOURS, VALUES)
    with netCDF4.Dataset(source) as old, netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as new:
        new.setncatts({name: old.getncattr(name) for name in old.ncattrs()})
        for name, dim in old.dimensions.items():
            new.createDimension(name, dim.size)
        for name, variable in old.variables.items():
            made = new.createVariable(name, variable.dtype, variable.dimensions)
            made.setncatts({key: variable.getncattr(key) for key in variable.ncattrs()})
            made[:] = variable[:]
    source.unlink()
    return path


def parquet(path):
    frame = pd.DataFrame({"when": HOURS.astype("datetime64[ns]"), "co2": VALUES * 1e6})
    frame.to_parquet(path)
    return path


def text(path):
    return gcwerks(path, minutes("2024-07-01T00:00:30", 200), VALUES * 1e6)


def soundings(path):
    place = np.linspace(0, 0.4, 30)
    return write_columns(path, np.arange(30), 148.1 + place, -23.6 + place)


#: what a file is -> how a whole one is made
WHOLE = {
    "hdf5": partial(obspack, start=HOURS, value=VALUES), "classic": classic, "parquet": parquet, "text": text,
    "columns": soundings,
}  # fmt: skip


def cut(path, *, write, share):
    content = write(path).read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def flipped(path, *, write, seed, head, count):
    """Change bytes, one bit each or any, of the beginning of the file or of all of it."""
    rng = np.random.default_rng(seed)
    content = bytearray(write(path).read_bytes())
    places = rng.integers(0, min(head, len(content)), count)
    for place in places:
        content[place] ^= 1 << rng.integers(8) if count < 5 else rng.integers(1, 256)
    path.write_bytes(content)


def filled(path, *, content):
    path.write_bytes(content)


def mutants():
    """Return some sixty of them."""
    found = []
    for kind, write in WHOLE.items():
        found += [
            (f"{kind} cut to {share:g}", kind, partial(cut, write=write, share=share)) for share in (0.99, 0.5, 0.1)
        ]
        found += [
            (f"{kind} with {count} changed of the first {head}, seed {seed}", kind,
             partial(flipped, write=write, seed=seed, head=head, count=count))
            for head, count in ((200, 1), (1000, 20), (10**9, 40)) for seed in (1, 2)
        ]  # fmt: skip
        found.append((f"{kind} page", kind, partial(filled, content=PAGE)))
    for name, content in (
        ("nothing", b""), ("zero bytes", bytes(5000)), ("CDF alone", b"CDF\x01"), ("HDF alone", b"\x89HDF\r\n\x1a\n"),
        ("PAR alone", b"PAR1PAR1"), ("noise", np.random.default_rng(3).bytes(5000)),
    ):  # fmt: skip
        found.append((name, "hdf5", partial(filled, content=content)))
    for name, make in (
        ("external link", external_link), ("external bytes", external_bytes), ("soft link", soft_link),
        ("unknown filter", unknown_filter), ("declared 1e9", partial(declared, shape=(10**9,))),
    ):  # fmt: skip
        found += [(f"{name} as {kind}", kind, make) for kind in ("hdf5", "columns")]
    return found
