"""Many hours in one process: memory, descriptors and disk stay what they were, and no reader ever sees half a commit.

With SOAK=1 it is a thousand hours.
"""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import service_stub as stub

REPOSITORY = Path(__file__).resolve().parents[3]
HOURS = 1000
#: what libraries fill once, and the first hundred hours of a long run
WARM = HOURS // 3
#: bytes of an hour's numbers and manifest, generously
HOUR_BYTES = 40_000
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


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="a thousand hours take half an hour: make soak")
def test_memory_descriptors_and_disk_stay_flat(soak, tmp_path):
    seen = []
    with stub.stubbed():
        soak.soak(stub.make_place(tmp_path / "place", soak.KEPT), HOURS, seen.append, every=HOURS // 12)
    warm = [one for one in seen if one.hours > WARM]
    third = len(warm) // 2
    second, last = warm[:third], warm[-third:]
    for name in ("resident", "descriptors", "threads"):
        before, after = (np.median([getattr(one, name) for one in part]) for part in (second, last))
        assert after <= before * 1.05 + (1 if name != "resident" else 0), (name, before, after)
    # disk grows by what the hours themselves are, and by nothing else
    hours = warm[-1].hours - warm[0].hours
    for name in ("store", "database", "others"):
        grown = getattr(warm[-1], name) - getattr(warm[0], name)
        assert grown <= hours * HOUR_BYTES, (name, grown / hours)


def test_a_reader_that_reads_all_the_time_sees_whole_hours_only(tmp_path):
    commits = 100 if os.environ.get("SOAK") else 15
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
