"""The particle model: `python -m benchmarks.transport`.

Cost per particle and hour, a whole network's hour, memory; each against something in the run.
"""

from __future__ import annotations

import math
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from benchmarks.cases import Figure, machine
from benchmarks.fresh import run_fresh
from benchmarks.transport_weather import START, grid, meteorology
from kernels import langevin
from kernels.jit import kernel
from kernels.noise import stream_key
from kernels.smoothing import largest, smooth
from pipeline.schema import HOUR
from pipeline.settings import MeteorologySettings, TransportSettings
from pipeline.transport import Footprint, Receptor, WeatherWindow, prepare, trace_receptor
from pipeline.transport.trace import bandwidths

LID = 12_000.0


@dataclass(frozen=True)
class Load:
    """How large the benchmark is."""

    ny: int
    nx: int
    levels: int
    hours: int
    stations: int
    particles: int
    repeats: int


LOADS = {"full": Load(160, 170, 30, 24, 115, 500, 5), "tiny": Load(12, 14, 8, 2, 3, 32, 1)}


def weather(load: Load) -> tuple[WeatherWindow, float]:
    """Return the window of the load's hours, and the median seconds to prepare one more hour of weather."""
    domain = grid(load.ny, load.nx)
    window = WeatherWindow(domain, domain, LID, 3600.0, load.hours + 2)
    times = []
    for hour in range(load.hours + 2):
        dataset = meteorology(domain, hour, load.levels)
        start = time.perf_counter()
        (prepared,) = prepare(dataset, domain, LID)
        window.put(window.index(START + hour * HOUR), prepared)
        times.append(time.perf_counter() - start)
    return window, statistics.median(times)


def network(load: Load, window: WeatherWindow) -> list[Receptor]:
    """Return stations at random places, all in the last hour of the window."""
    random = np.random.default_rng(7)
    shape = window.target.shape
    x = window.target.x[0] + 3000.0 * random.uniform(0.2, 0.8, load.stations) * shape[1]
    y = window.target.y[0] + 3000.0 * random.uniform(0.2, 0.8, load.stations) * shape[0]
    lon, lat = window.target.to_lonlat(x, y)
    height = random.choice([10.0, 60.0, 120.0], load.stations)
    hour = START + load.hours * HOUR
    return [
        Receptor(hour, 3600.0, f"S{number}", float(lon[number]), float(lat[number]), float(height[number]))
        for number in range(load.stations)
    ]


def settings(load: Load, particles: int) -> TransportSettings:
    """Return the settings of one run."""
    weather = MeteorologySettings(format="wrf", files=["none"])
    return TransportSettings(meteorology=weather, folder="none", hours=load.hours, particles=particles)


def trace_all(load: Load, window: WeatherWindow, particles: int, threads: int) -> tuple[list[Footprint], float, float]:
    """Return the footprints of the network, and the wall and CPU seconds they took."""
    receptors, chosen = network(load, window), settings(load, particles)
    first = window.index(START)
    bounds = np.array([first, first + load.hours + 1, window.slots])
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        made = list(pool.map(lambda receptor: trace_receptor(receptor, window, bounds, chosen), receptors))
    return made, time.perf_counter() - wall, time.process_time() - cpu


def travelled(made: list[Footprint]) -> float:
    """Return the hours that all particles travelled: those that left the grid travelled less than all."""
    ages = np.concatenate([one.end[:, 4] for one in made])
    return float(np.sum(ages / 3600.0 + 0.5))


def same(one: list[Footprint], other: list[Footprint]) -> bool:
    """Return whether footprints are equal to the bit."""
    return all(
        np.array_equal(a.value, b.value) and np.array_equal(a.cell, b.cell) and np.array_equal(a.end, b.end, True)
        for a, b in zip(one, other, strict=True)
    )


@kernel
def one_by_one(state: np.ndarray, steps: int) -> float:
    """Advance one particle with the C library's functions in float64: what a lane costs without lanes."""
    z, omega = float(state[langevin.Z]), float(state[langevin.OMEGA])
    h, friction, convective = (
        float(state[langevin.H]),
        float(state[langevin.FRICTION]),
        float(state[langevin.CONVECTIVE]),
    )
    for number in range(steps):
        zeta = min(max(z / h, 1e-3), 0.999)
        square = 1.2 * convective**2 * (1 - 0.9 * zeta) * zeta ** (2 / 3) + (1.8 - 1.4 * zeta) * friction**2
        sigma = math.sqrt(square)
        t = max(0.15 * h / sigma * (1 - math.exp(-5 * zeta)), 3.0)
        u = (number * 0.6180339887498949) % 1.0
        normal = math.sqrt(-2 * math.log(u + 1e-9)) * math.cos(2 * math.pi * u)
        keep = math.exp(-0.2)
        omega = keep * omega + math.sqrt(1 - keep * keep) * normal
        z = abs(z + sigma * omega * 0.2 * t)
        z = 2 * h - z if z > h else z
    return z


@kernel
def in_lanes(state: np.ndarray, steps: int) -> None:
    for _ in range(steps):
        for lane in range(langevin.LANES):
            state[langevin.LEFT + lane] = np.float32(60.0)
        langevin.sub_step(state)


def particle_state() -> np.ndarray:
    state = np.zeros(langevin.ROWS * langevin.LANES, np.float32)
    for lane in range(langevin.LANES):
        high, low = stream_key(1, 2, lane)
        state[langevin.HIGH + lane] = np.uint32(high).view(np.float32)
        state[langevin.LOW + lane] = np.uint32(low).view(np.float32)
        state[langevin.Z + lane], state[langevin.LID + lane] = 100.0 + 40.0 * lane, LID
        layer = (np.float32(1200.0), np.float32(0.35), np.float32(1.8), np.float32(-0.025))
        langevin.set_layer(state, lane, *layer)
        langevin.set_turbulence(state, lane)
    return state


def sub_step(repeats: int, steps: int) -> tuple[float, float]:
    """Return nanoseconds per particle and sub-step: in lanes, and one particle after another."""

    def seconds(run: Callable[[], object]) -> float:
        run()
        times = []
        for _ in range(repeats):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        return statistics.median(times)

    state = particle_state()
    lanes = seconds(lambda: in_lanes(state, steps)) / steps / langevin.LANES
    alone = seconds(lambda: one_by_one(state, steps)) / steps
    return lanes * 1e9, alone * 1e9


def outer_step(load: Load, window: WeatherWindow, lane: float) -> float:
    """Return nanoseconds of an outer step, of particles in the calm air above the layer: three sub-steps to each."""
    middle = [Receptor(one.time, 0.0, one.station, one.lon, one.lat, 5000.0) for one in network(load, window)]
    chosen = settings(load, load.particles).model_copy(update={"hours": 1, "smoothing": 0.0})
    first = window.index(START)
    bounds = np.array([first, first + load.hours + 1, window.slots])
    times = []
    for receptor in middle[: load.repeats * 4 + 1]:
        start = time.process_time()
        made = trace_receptor(receptor, window, bounds, chosen)
        times.append((time.process_time() - start) / float(np.sum(made.end[:, 4])) * 60.0)
    return statistics.median(times[1:]) * 1e9 - 3 * lane


def gridding(made: list[Footprint], window: WeatherWindow, hours: int, repeats: int) -> float:
    """Return milliseconds to smooth one receptor's hours and make them sparse; the median over receptors."""
    scratch = np.empty(window.target.shape)
    field = np.zeros((hours + 2, *window.target.shape))
    times = []
    for one in made[: repeats * 4 + 1]:
        field[:] = 0.0
        last = int(one.hour.max().astype("datetime64[h]").astype(int))
        back = last - one.hour.astype("datetime64[h]").astype(int)
        field.reshape(field.shape[0], -1)[back, one.cell] = one.value
        start = time.perf_counter()
        smooth(field, bandwidths(one.spread, 3600.0 * (last + 0.5), last, window, 1.0), scratch)
        largest(field, 1e-3)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]) * 1e3


def cold_and_warm() -> tuple[float, float]:
    """Return the seconds of a fresh process's first tiny footprint: with an empty cache, and with a full one."""
    code = (
        "import time; t = time.perf_counter()\n"
        "from benchmarks import transport as b\n"
        "load = b.LOADS['tiny']; window, _ = b.weather(load); b.trace_all(load, window, 32, 1)\n"
        "print(time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for _ in range(2):
            printed = run_fresh(code, folder)
            found.append(float(printed))
    return found[0], found[1]


def figures(load: Load) -> list[Figure]:
    """Measure everything; medians of several repeats after one unmeasured run, runs of one and two threads in turn."""
    cold, warm = cold_and_warm()
    window, prepared = weather(load)
    trace_all(load, window, load.particles, 1)
    per_hour, one_thread, two_threads, equal = [], [], [], True
    made: list[Footprint] = []
    for _ in range(load.repeats):
        made, wall, cpu = trace_all(load, window, load.particles, 1)
        per_hour.append(cpu / travelled(made) * 1e6)
        one_thread.append(wall)
        other, wall, _ = trace_all(load, window, load.particles, 2)
        two_threads.append(wall)
        equal = equal and same(made, other)
    _, default, _ = trace_all(load, window, 2 * load.particles, 2)
    lanes, alone = sub_step(load.repeats, 2000)
    bytes_of = window.volume.nbytes + window.surface.nbytes + window.pressure.nbytes
    sparse = sum(one.value.nbytes + one.cell.nbytes + one.hour.nbytes for one in made)
    hours = 2 * load.hours + 1
    held = (bytes_of / window.slots * hours + sparse) / 2**30
    smoothed = gridding(made, window, load.hours, load.repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    run = f"{load.stations} stations x {load.particles} particles x {load.hours} h"
    return [
        Figure("one particle for one hour, one thread", statistics.median(per_hour), "us CPU", "<= 12"),
        Figure(f"{run}, one thread", statistics.median(one_thread), "s"),
        Figure(f"{run}, two threads", statistics.median(two_threads), "s"),
        Figure("  gain of the second thread", statistics.median(one_thread) / statistics.median(two_threads), "x"),
        Figure("  and one new hour of weather", statistics.median(two_threads) + prepared, "s", "<= 10"),
        Figure(f"the same with {2 * load.particles} particles, two threads", default, "s"),
        Figure("equal to the bit on one and two threads", float(equal), "1 = yes", "1"),
        Figure("one hour of weather prepared", prepared, "s"),
        Figure("smoothing and sparse output of one receptor", smoothed, "ms", "<= 1"),
        Figure("one outer step of one particle", outer_step(load, window, lanes), "ns CPU"),
        Figure("one sub-step of one particle, sixteen at a time", lanes, "ns CPU"),
        Figure("the same alone with the C library, float64, simpler", alone, "ns CPU"),
        Figure("  gain of the lanes", alone / lanes, "x"),
        Figure(f"weather of {hours} hours and the sparse footprints of one", held, "GiB", "<= 3"),
        Figure("peak memory of this process", peak, "GiB"),
        Figure("first footprint of a fresh process, empty cache", cold, "s"),
        Figure("first footprint of a fresh process, compiled before", warm, "s"),
    ]  # fmt: skip


def report(found: list[Figure]) -> str:
    """Return the figures as text."""
    width = max(len(figure.name) for figure in found)
    lines = [f"{'particle model':<{width}}  {'measured':>10}  {'unit':<8}  goal"]
    lines += [f"{f.name:<{width}}  {f.value:>10.3g}  {f.unit:<8}  {f.goal}".rstrip() for f in found]
    return "\n".join(lines)


if __name__ == "__main__":
    print(machine())
    print()
    print(report(figures(LOADS["full"])))
