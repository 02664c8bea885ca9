"""HDF5 files that refer to what is not theirs, or declare what they do not hold, for the tests that use them."""

import h5py
import netCDF4
import numpy as np


def plain(path, variables=1):
    """Write a netCDF-4 file of small variables."""
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("x", 5)
        for number in range(variables):
            data.createVariable(f"value{number}", "f8", ("x",), zlib=True, shuffle=True)[:] = np.arange(5) + number
    return path


def external_link(path, target="/etc/passwd"):
    with h5py.File(plain(path), "a") as data:
        data["outside"] = h5py.ExternalLink(str(target), "/value0")
    return path


def soft_link(path):
    with h5py.File(plain(path), "a") as data:
        data["again"] = h5py.SoftLink("/value0")
    return path


def external_bytes(path, target="/etc/passwd"):
    with h5py.File(plain(path), "a") as data:
        data.create_dataset("outside", shape=(20,), dtype="u1", external=[(str(target), 0, 20)])
    return path


def virtual(path, target):
    with h5py.File(plain(path), "a") as data:
        layout = h5py.VirtualLayout(shape=(5,), dtype="f8")
        layout[:] = h5py.VirtualSource(str(target), "value0", shape=(5,))
        data.create_virtual_dataset("outside", layout)
    return path


def unknown_filter(path, number=32999):
    with h5py.File(plain(path), "a") as data:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((5,))
        made.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
        h5py.h5d.create(data.id, b"packed", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((5,)), made)
    return path


def declared(path, shape):
    """Write a file with a variable of any size whose values are not there."""
    with h5py.File(plain(path), "a") as data:
        data.create_dataset("large", shape=shape, dtype="f8", chunks=(1000,) * len(shape))
    return path


def cycle(path):
    """Write a file whose group holds itself."""
    with h5py.File(plain(path), "a") as data:
        group = data.create_group("inner")
        group["again"] = data["/"]
        group["value"] = data["value0"]
    return path
