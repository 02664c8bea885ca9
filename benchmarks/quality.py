"""Quality control of a network's year of minutes, station by station: `python -m benchmarks.quality [tiny]`.

Feeds are simulated minutes with gaps, spikes, stuck spells and rows sent twice: as many spectrometers and micro sensors
as the illustrative network has, and a few of neighbouring provinces. Each goes through the chain as a case's feed does
once its rows are read; then all are compared. It runs in a fresh process with its kernels compiled before; what
compiling costs is told apart, and so is the reading of text. One core does it all; seconds of the processor stand
beside those of the clock.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cases import machine, median_seconds
from benchmarks.fresh import run_fresh
from pipeline.ingest.formats import gcwerks
from pipeline.ingest.hourly import Hours, hourly_means
from pipeline.ingest.neighbours import NeighbourRules, Series, compare
from pipeline.ingest.quality import assess_hours, flat_line, hampel_spikes, range_bits, sd_spikes
from pipeline.ingest.rows import MISSING_VALUE, FeedRows, judge
from pipeline.ingest.surroundings import selection_bits
from pipeline.osse.station_files import write_gcwerks
from pipeline.settings import Completeness, StationSettings
from pipeline.units import SPECIES
from station_meta import QualityRules, load_rules

START = np.datetime64("2024-01-01T00", "ns")
MINUTE = np.timedelta64(60, "s")
DAY = 1440
#: (class, feeds)
NETWORK = (("provincial", 1), ("regional", 10), ("city", 17), ("micro", 80), ("external", 7))
_TINY = (("regional", 2), ("city", 2), ("micro", 2))
#: seconds and GiB of the chain over all
GOAL, GOAL_MEMORY = 60.0, 1.0
SIMULATING = "simulating"
#: noise of a sensor, ppm, by class; of a spectrometer where none is named
_NOISE = {"micro": 2.0}


@dataclass(frozen=True)
class Size:
    """How many feeds, and days of each."""

    network: tuple[tuple[str, int], ...]
    days: int
    repeats: int

    @property
    def classes(self) -> list[str]:
        """The class of each feed."""
        return [name for name, count in self.network for _ in range(count)]


SIZES = {"full": Size(NETWORK, 366, 5), "tiny": Size(_TINY, 9, 1)}


def minutes(number: int, station_class: str, days: int) -> np.ndarray:
    """Return a feed's values, ppm: weather of days, a night's rise, turbulence, spikes, stuck spells; NaN in gaps."""
    rng = np.random.default_rng([7, number])
    at = np.arange(days * DAY)
    value = 425.0 + 8.0 * np.sin(at / (4.0 * DAY)) + 9.0 * np.maximum(np.cos(2.0 * np.pi * (at / DAY + 0.08)), 0.0)
    value += np.convolve(rng.normal(0.0, 1.0, at.size + 9), np.ones(10) / 10.0, "valid")
    value += rng.normal(0.0, _NOISE.get(station_class, 0.1), at.size)
    for first in rng.integers(0, at.size - 10, days):
        value[first : first + 3] += 30.0
    for first in rng.integers(0, at.size - 600, max(days // 30, 1)):
        value[first : first + 480] = value[first]
    for first in rng.integers(0, at.size - 600, max(days // 10, 1)):
        value[first : first + 240] = np.nan
    return value


def rows_of(value: np.ndarray) -> FeedRows:
    """Return the rows as a reader hands them over; one hour of each ten days is there twice."""
    again = np.flatnonzero(np.arange(value.size) % (10 * DAY) < 60)
    at = np.sort(np.concatenate([np.arange(value.size), again]))
    here = value[at]
    nothing = np.full(at.size, np.nan)
    frame = pd.DataFrame(
        {
            "time": START + at * MINUTE,
            "value": here,
            "spread": nothing,
            "uncertainty": nothing,
            "count": np.ones(at.size, dtype=np.int64),
            "reason": pd.Series(np.where(np.isnan(here), MISSING_VALUE, ""), dtype=object),
            "bits": np.zeros(at.size, dtype=np.uint32),
            "scale": pd.Series("WMO CO2 X2019", index=range(at.size), dtype=object),
            "source": np.zeros(at.size, dtype=np.int64),
        }
    )
    return FeedRows(frame, MINUTE, ("a.dat",), ((),))


def place_of(number: int, feeds: int) -> tuple[float, float]:
    """Return longitude and latitude on a spiral over the province, so that feeds of every class lie everywhere."""
    radius, turn = np.sqrt((number + 0.5) / feeds), number * np.pi * (3.0 - np.sqrt(5.0))
    return 120.5 + 1.6 * radius * np.cos(turn), 29.2 + 1.4 * radius * np.sin(turn)


def chain(size: Size) -> dict[str, list[float]]:
    """Run every feed through the chain and compare them; return clock and processor seconds by stage, and counts."""
    rules, classes = load_rules(), size.classes
    stages = (SIMULATING, "tests of samples", "hourly means", "tests of hours")
    seconds = np.zeros((len(stages), 2))
    series, samples, refused = [], 0, 0
    # classes in turn, so that each has neighbours of all kinds
    order = np.random.default_rng(1).permutation(len(classes))
    for number, which in enumerate(order):
        ticks = [_now()]
        own = rules.of("co2", classes[which])
        rows = rows_of(minutes(number, classes[which], size.days))
        lon, lat = place_of(number, len(classes))
        ticks.append(_now())
        out = judge(rows, own)
        ticks.append(_now())
        hours = _hours(rows, out)
        ticks.append(_now())
        hours.flag[:] |= assess_hours(hours.time, hours.value, hours.spread, own)
        hours.flag[:] |= selection_bits(hours.time, lon, own.hours, None, None, own)
        ticks.append(_now())
        seconds += np.diff(ticks, axis=0)
        samples += len(rows.table)
        refused += int(out.sum())
        series.append(
            Series(f"S{number}", classes[which], lon, lat, 50.0, hours.time, hours.value, hours.flag.copy(), own)
        )
    start = _now()
    _, alarms = compare(series, "co2", rules.table("neighbours", NeighbourRules))
    compared = _now() - start
    hourly = sum(one.time.size for one in series)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    out = dict(zip(stages, seconds.tolist(), strict=True)) | {"comparison of neighbours": compared.tolist()}
    return out | {"counts": [samples, refused, hourly, len(alarms), peak]}


def _now() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def _hours(rows: FeedRows, refused: np.ndarray) -> Hours:
    frame = rows.table
    columns = [frame[name].to_numpy() for name in ("time", "value", "spread", "count", "bits")]
    kept = (frame["reason"] == "").to_numpy(dtype=bool)
    return hourly_means(
        *columns, kept=kept, refused=refused, interval=rows.interval, completeness=Completeness(expected=60, minimum=45)
    )


def tests_of_one(size: Size) -> list[tuple[str, float]]:
    """Return the seconds of each test on one feed, and first those of a plain mean by the hour."""
    rules = load_rules()
    regional, micro = rules.of("co2", "regional"), rules.of("co2", "micro")
    at = START + np.arange(size.days * DAY) * MINUTE

    def sound(station_class: str) -> tuple[np.ndarray, np.ndarray]:
        value = minutes(0, station_class, size.days)
        return at[np.isfinite(value)], value[np.isfinite(value)]

    precise, cheap = sound("regional"), sound("micro")
    whole = precise[1][: precise[1].size // 60 * 60].reshape(-1, 60)

    def timed(test: Callable[..., object], pair: tuple[np.ndarray, np.ndarray], own: QualityRules) -> float:
        return median_seconds(lambda: test(*pair, MINUTE, own), size.repeats)

    return [
        ("plain mean of every 60 samples", median_seconds(lambda: whole.mean(axis=1), size.repeats)),
        ("range", median_seconds(lambda: range_bits(precise[1], regional), size.repeats)),
        ("flat line, 10 minutes", timed(flat_line, precise, regional)),
        ("flat line, 6 hours", timed(flat_line, cheap, micro)),
        ("spike, standard deviation", timed(sd_spikes, precise, regional)),
        ("spike, Hampel", timed(hampel_spikes, cheap, micro)),
    ]


def parsing(days: int) -> tuple[float, int, int]:
    """Return seconds, lines and bytes of reading GCWerks text of one feed's minutes."""
    feed = StationSettings(id="ABC", format="gcwerks", files=["a"], height=50, representation_error=1.0)
    value = minutes(0, "regional", days)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "abc.1minute.dat"
        write_gcwerks(path, START, value, np.full(value.size, 0.05))
        start = time.perf_counter()
        found = gcwerks.read(path, feed, SPECIES["co2"])
        return time.perf_counter() - start, found.time.size, path.stat().st_size


def first_call() -> float:
    """Return the seconds the smallest chain takes; in a fresh process that is loading or compiling the kernels."""
    start = time.perf_counter()
    chain(SIZES["tiny"])
    return time.perf_counter() - start


def report(name: str) -> str:
    """Run everything and return the report as text."""
    size = SIZES[name]
    first = "from benchmarks import quality\nprint(quality.first_call())"
    code = f"import json\nfrom benchmarks import quality\nprint(json.dumps(quality.chain(quality.SIZES[{name!r}])))"
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (float(run_fresh(first, cache)) for _ in range(2))
        found = json.loads(run_fresh(code, cache))
    samples, refused, hours, alarms, peak = found.pop("counts")
    simulating = found.pop(SIMULATING)[0]
    whole = np.sum(list(found.values()), axis=0)
    feeds = len(size.classes)
    lines = [
        machine(),
        "",
        f"{feeds} feeds, {', '.join(f'{count} {kind}' for kind, count in size.network)}, of {size.days} days:",
        f"{samples / 1e6:.1f} million samples, {refused} of them refused; {hours} hours, {alarms} alarms",
        f"{'stage':<32}{'clock, s':>10}{'processor, s':>14}{'share':>8}{'ns a sample':>13}",
    ]
    lines += [
        f"{stage:<32}{clock:>10.2f}{processor:>14.2f}{processor / whole[1]:>8.2f}{1e9 * processor / samples:>13.0f}"
        for stage, (clock, processor) in {**found, "all of it": whole}.items()
    ]
    lines += [
        f"simulating the samples, not counted: {simulating:.0f} s",
        f"goals: {GOAL:.0f} s ({whole[0]:.0f}), peak {GOAL_MEMORY:.0f} GiB ({peak:.2f})",
        f"first call of the smallest chain: {cold:.1f} s compiling its kernels, {warm:.2f} s with them compiled",
        "",
        f"one feed of {size.days} days, each test alone",
        f"{'test':<32}{'ms':>8}{'ratio':>8}",
    ]
    tests = tests_of_one(size)
    lines += [f"{test:<32}{1e3 * taken:>8.1f}{taken / tests[0][1]:>8.1f}" for test, taken in tests]
    taken, rows, held = parsing(size.days)
    lines += [
        "",
        f"reading GCWerks text of one feed's minutes, not in the chain above: {taken:.1f} s for {rows} lines, "
        f"{held / 2**20:.0f} MiB;",
        f"of the same feed, the chain takes {whole[0] / feeds:.2f} s",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report("tiny" if "tiny" in sys.argv[1:] else "full"))
