"""Many hours in one process: what it takes up stays what it was, and no reader ever sees half a commit.

A thousand hours, and their memory, are `python -m benchmarks.soak`.
"""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import service_stub as stub

REPOSITORY = Path(__file__).resolve().parents[3]
READER = """
import json, sys, time
from pathlib import Path
from pipeline.errors import TianyanError
from pipeline.grid import HourStore

store, stop = Path(sys.argv[1]), Path(sys.argv[2])
reads, seqs, torn = 0, set(), []
while not stop.exists() or reads == 0:
    if not HourStore.is_there(store):
        time.sleep(0.01)
        continue
    try:
        with HourStore.open(store).at() as reader:
            hours = reader.hours()
            for hour in hours[-4:]:
                reader.verify(hour)
                values, rows = reader.values(hour), reader.manifest(hour)["rows"]
                told = float(values["flux_posterior"].sum())
                if abs(told - float(values["region_posterior"].sum())) > 1e-3 * abs(told):
                    torn.append(str(hour))
            reads += 1
            seqs.add(reader.seq)
        time.sleep(0.02)
    except TianyanError as error:
        torn.append(str(error))
print(json.dumps({"reads": reads, "seqs": sorted(seqs), "torn": torn}))
"""


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("soak", REPOSITORY / "benchmarks" / "soak.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["soak"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="a minute; `make soak` runs it (SOAK=1), and a thousand hours")
def test_descriptors_and_disk_stay_flat(soak, tmp_path):
    seen = []
    with stub.stubbed():
        soak.soak(stub.make_place(tmp_path / "place", soak.KEPT), 48, seen.append, every=4)
    # caches and pools of threads still fill: those are judged over a thousand hours
    assert [grew for grew in soak.growing(seen) if not grew.startswith(("resident", "threads"))] == []
    # and what is measured is there
    assert all(one.store > 0 and one.database > 0 and one.descriptors > 0 for one in seen)
    assert seen[-1].store > seen[0].store


@pytest.mark.parametrize(
    ("name", "each", "grows"),
    [
        ("resident", 1_000_000, True),
        ("resident", 30_000, False),
        ("descriptors", 0.1, True),
        ("threads", 0.1, True),
        ("store", 50_000, True),
        ("database", 50_000, True),
        ("others", 50_000, True),
        ("store", 30_000, False),
    ],
)
def test_what_grows_by_the_hour_is_found(soak, name, each, grows):
    flat = soak.Measured(0, 500_000_000, 45, 9, 1_000_000, 1_000, 5_000_000, 100_000, 1.0)
    seen = [
        dataclasses.replace(flat, hours=hours, **{name: int(getattr(flat, name) + each * hours)})
        for hours in range(100, 1001, 100)
    ]
    found = soak.growing(seen)
    assert [grew.split(":")[0] for grew in found] == ([name] if grows else [])


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="half a minute; `make soak` runs it (SOAK=1)")
def test_a_reader_that_reads_all_the_time_sees_whole_hours_only(tmp_path):
    commits = 100
    case, stop = stub.make_place(tmp_path / "place"), tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(READER), str(case.parent / "service" / "store"), str(stop)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    clocks, made = stub.Clocks(0), 0
    try:
        with stub.stubbed():
            for number in range(commits):
                # every fourth hour comes with another number of the one before: two versions in one go
                for station in stub.STATIONS:
                    rows = [(hour, int(hour == number - 1 and number % 4 == 0)) for hour in range(number + 1)]
                    stub.deliver(case, f"{station.lower()}/all.csv", stub.text_of(station, *rows[-6:]))
                made += len(stub.due(case, clocks).made)
                clocks.pass_by(hours=1)
    finally:
        stop.touch()
        out, _ = reader.communicate(timeout=120)

    told = json.loads(out)
    assert told["torn"] == []
    assert made >= commits
    # it read while commits were made, not only before or after
    assert told["reads"] > 5
    assert len(told["seqs"]) > 5
