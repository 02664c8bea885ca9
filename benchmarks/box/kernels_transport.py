"""The kernels of the transport: particles, their weather, their noise, and what becomes of footprints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.interpolate

from benchmarks import transport
from benchmarks.box import plain
from benchmarks.box.case import Case
from kernels import air, heights, langevin, smoothing
from kernels.elementary import exp2, log2
from kernels.jit import lane_kernel
from kernels.noise import deviates


@dataclass(frozen=True)
class _Shape:
    ny: int
    nx: int
    levels: int
    hours: int
    points: int
    steps: int
    draws: int


_SHAPES = {"full": _Shape(160, 170, 30, 8, 20_000, 2000, 200_000), "tiny": _Shape(12, 14, 6, 2, 200, 50, 2000)}


def cases(size: str) -> list[Case]:
    """Return the cases of a size."""
    shape = _SHAPES[size]
    return [*_noise(shape), *_particles(size, shape), *_weather(shape), *_footprints(shape)]


@lane_kernel
def _draw(out: np.ndarray) -> None:
    for i in range(out.size):
        out[i] = deviates(np.uint32(7), np.uint32(11), np.uint32(i))[0]


@lane_kernel
def _there_and_back(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.size):
        out[i] = log2(exp2(x[i]))


def _noise(shape: _Shape) -> list[Case]:
    random = np.random.default_rng(1)
    one, other, out = random.random(shape.draws), random.random(shape.draws), np.empty(shape.draws, np.float32)
    x = random.uniform(-20.0, 20.0, shape.draws).astype(np.float32)
    return [
        Case("noise.deviates", "C library's log and cos", lambda: _draw(out), lambda: plain.normals(one, other, out)),
        Case("elementary.exp2, log2", "C library's pow and log2", lambda: _there_and_back(x, out),
             lambda: plain.powers(x, out)),
    ]  # fmt: skip


def _particles(size: str, shape: _Shape) -> list[Case]:
    """Sub-steps in lanes against one after the other, simpler; and whole footprints of the network's benchmark."""
    state = transport.particle_state()
    load = transport.LOADS["tiny"]
    window, _ = transport.weather(load)
    count = 200 if size == "full" else 32
    return [
        Case("langevin.sub_step", "alone, C library, float64, simpler", lambda: transport.in_lanes(state, shape.steps),
             lambda: transport.one_by_one(state, shape.steps), part=1.0 / langevin.LANES),
        Case(f"particles.trace, {load.stations} receptors", "",
             lambda: transport.trace_all(load, window, count, 1)),
    ]  # fmt: skip


def _weather(shape: _Shape) -> list[Case]:
    """Weather columns brought to heights, and fields to points, against libraries."""
    random = np.random.default_rng(2)
    targets = np.linspace(0.0, 8000.0, 40).astype(np.float32)
    level = (20.0 * 1.25 ** np.arange(shape.levels)).astype(np.float32)
    source = np.broadcast_to(level[:, None, None], (shape.levels, shape.ny, shape.nx)).copy()
    fields = random.random((4, shape.levels, shape.ny, shape.nx), np.float32)
    ground, rough = fields[:, 0].copy(), np.full((shape.ny, shape.nx), 0.1, np.float32)
    out = np.empty((shape.ny, shape.nx, targets.size, 4), np.float32)
    columns = min(200, shape.nx)

    def interpolated() -> object:
        return [np.interp(targets, source[:, 0, x], fields[f, :, 0, x]) for x in range(columns) for f in range(4)]

    field = random.random((3, shape.ny, shape.nx, targets.size), np.float32)
    upper = np.array([shape.nx - 1.001, shape.ny - 1.001, 7900.0, 7000.0])
    points = random.random((shape.points, 4)) * upper
    at, bounds = np.empty(shape.points), np.array([0, 2, 3])
    axes = (3600.0 * np.arange(3), np.arange(shape.ny), np.arange(shape.nx), targets.astype(float))
    known = scipy.interpolate.RegularGridInterpolator(axes, field)
    asked = points[:, [3, 1, 0, 2]]
    return [
        Case("heights.to_heights", "numpy.interp, column by column",
             lambda: heights.to_heights(source, rough, fields, ground, targets, out), interpolated,
             bytes=float(source.nbytes + fields.nbytes + out.nbytes), part=columns / (shape.ny * shape.nx)),
        Case("air.at_points", "scipy's RegularGridInterpolator",
             lambda: air.at_points(field, targets, bounds, 3600.0, points, at), lambda: known(asked)),
    ]  # fmt: skip


def _footprints(shape: _Shape) -> list[Case]:
    """Smoothing against the whole square of the Gaussian; the largest values against sorting."""
    random = np.random.default_rng(3)
    made = np.zeros((shape.hours, shape.ny, shape.nx))
    rows, columns = slice(shape.ny // 4, shape.ny // 2), slice(shape.nx // 4, shape.nx // 2)
    made[:, rows, columns] = random.lognormal(0.0, 2.0, made[:, rows, columns].shape)
    sigma, scratch, out = np.full((shape.hours, 2), 2.0), np.empty(made.shape[1:]), np.empty_like(made[:1])
    work = made.copy()

    def ours() -> None:
        work[:] = made
        smoothing.smooth(work, sigma, scratch)

    def sorted_out() -> object:
        flat = made.ravel()
        order = np.argsort(flat)
        least = np.searchsorted(np.cumsum(flat[order]), 1e-3 * flat.sum())
        return np.sort(order[least:]), flat[order[least:]]

    return [
        Case("smoothing.smooth", "the whole square", ours, lambda: plain.smooth(made[:1], 2.0, out),
             part=1.0 / shape.hours),
        Case("smoothing.largest", "numpy, all sorted", lambda: smoothing.largest(made, 1e-3), sorted_out,
             bytes=float(made.nbytes)),
    ]  # fmt: skip
