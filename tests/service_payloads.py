"""What the fault tests of the service run: one small hour, solved or canned, on a copy of a service; and what they see.

Everything that a test's process needs to be quick is imported here: `syscall_faults.Harness` imports this module once.
"""

import hashlib
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import service_cases as cases
from syscall_faults import Harness, every

from pipeline import cli
from pipeline.case import domain_grid
from pipeline.grid import HourStore, make_regions
from pipeline.ingest import rows, sandbox
from pipeline.osse import Plan, make_case
from pipeline.osse.deliveries import Deliveries
from pipeline.service import making, product
from pipeline.service.carrier import carrier_of
from pipeline.service.clock import Clock
from pipeline.service.elsewhere import digest_of
from pipeline.service.log import Log
from pipeline.service.place import read_place
from pipeline.service.quick import is_quiet
from pipeline.service.runs import run_due, running
from pipeline.service.service import Service
from pipeline.service.window import laid_out, window_of

HOUR = np.timedelta64(1, "h")
#: the hour that is made under faults, and the time at which it is due
LAST = cases.FIRST + 3 * HOUR
NOW = LAST + HOUR
CALLED, LATER = f"{NOW}:16Z", f"{NOW}:18Z"
_PLAN = {**cases.PLAN, "hours": 4, "hours_back": 2, "particles": 15, "micro": 1, "spacing_km": 60.0}
#: what nobody changes, or only by putting another file in its place
LINKED = ("weather", "transport", "fluxes", "background", "stations", "sinks", "columns", "mobile")
#: numba's threads do not survive a fork: one, which is the process itself
_ENV = {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Served:
    """A service whose hours but the last are made, and whose last is delivered.

    Parameters
    ----------
    folder
        Never to be changed.
    harness
        Runs payloads of this module.
    before
        What its store says.
    solved, canned
        What it says when the last hour was made, too.
    deliveries
        Of the folder.
    """

    folder: Path
    harness: Harness
    before: dict
    solved: dict
    canned: dict
    deliveries: Deliveries

    def fresh(self, target):
        """Return a copy of the service."""
        return copy(self.folder, target)

    def run(self, name, folder, *, quietly=False, **told):
        """Run a payload on a copy; `quietly` counts no calls."""
        args = {"folder": str(folder), **told.pop("args", {})}
        where = self.folder / "columns" if quietly else folder
        return self.harness.run(f"service_payloads:{name}", args, folder=where, **told)

    def stopped(self, name, folder, **told):
        """Run a payload on a copy up to a call."""
        return self.harness.stopped(f"service_payloads:{name}", {"folder": str(folder)}, folder=folder, **told)


def served(config, factory):
    """Make the service that tests copy; its processes end with the test run."""
    made, live = factory.mktemp("made"), factory.mktemp("live")
    case, _ = make_case(made, Plan(**_PLAN))
    text = case.read_text(encoding="utf-8").replace('["province", "city", "county"]', '["province"]')
    case.write_text(text, encoding="utf-8")
    deliveries = cases.make_live(made, live)
    for hour in np.arange(cases.FIRST, LAST):
        deliveries.deliver(hour + HOUR)
        outcome = cases.due(live, hour + HOUR)
        assert outcome.made == [hour], outcome.failed
    deliveries.deliver(NOW)
    # traces the footprints of the last hour, so that no trial does
    warmed = factory.mktemp("warm") / "case"
    harness = Harness(
        ["service_payloads"],
        warm=[("service_payloads:warm", {"source": str(live), "folder": str(warmed)})],
        env=_ENV,
    )
    config.add_cleanup(harness.close)
    shutil.rmtree(live / "transport")
    shutil.copytree(warmed / "transport", live / "transport", copy_function=os.link)
    told = {}
    for name in ("make", "make_canned"):
        folder = copy(live, factory.mktemp(name) / "case")
        outcome = harness.run(f"service_payloads:{name}", {"folder": str(folder)}, folder=folder)
        assert outcome.error is None, outcome.error
        assert outcome.value["made"] == [str(LAST)], outcome.value
        told[name] = cases.current(folder)
    return Served(live, harness, cases.current(live), told["make"], told["make_canned"], deliveries)


def sample(count, most, seed=0):
    """Calls to try: evenly spread ones, others with another SEED; with SOAK=1 twenty times as many, up to all."""
    # every trial is a run of the service: half an afternoon of them is for `make soak`
    most = most * 10 if os.environ.get("SOAK") else max(3, most // 2)
    return every(count, most, seed + int(os.environ.get("SEED", "0")))


def copy(source, target):
    """Copy a service; its inputs are the same files, for their stamps are in signatures."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.name in LINKED:
            shutil.copytree(path, target / path.name, copy_function=os.link)
        elif path.is_dir():
            shutil.copytree(path, target / path.name, symlinks=True)
        else:
            shutil.copy2(path, target / path.name)
    return target


# payloads


def make(folder, **clocks):
    """`run-due`; the regions' shapes, which are read from the wheel of boundaries, are read once."""
    with mock.patch.object(making, "domain_of", _domain_of):
        return _due(Path(folder), **clocks)


def make_canned(folder, **clocks):
    """The same, with numbers that follow from the digests of what was delivered instead of a solution."""
    with mock.patch.multiple(making, **_CANNED):
        return _due(Path(folder), **clocks)


def _due(folder, now=CALLED, ran=0.0, boot=""):
    """What `run-due` does at a time, on a machine that has run for some seconds since a start of it."""
    wall = datetime.fromisoformat(now)
    with running(read_place(folder / "case.toml"), "run-due", clock=Clock(lambda: wall, lambda: ran, lambda: boot)) as (
        service,
        outcome,
    ):
        run_due(service, outcome)
    return {
        "made": [str(hour) for hour in outcome.made],
        "same": [str(hour) for hour in outcome.same],
        "failed": {str(hour): reason for hour, reason in outcome.failed.items()},
        "left": [str(hour) for hour in outcome.left],
        "skew": outcome.skew,
    }


def make_with_a_killed_reader(folder, whom):
    """`make_canned`, with every delivery read by a process of its own; the first is killed, or its parent."""
    killed = []

    def header(answer):
        if not killed:
            killed.append(_kill(sandbox._SHARED._process.pid, whom))
        return read(answer)

    read = sandbox._Answer.header
    with (
        mock.patch.object(sandbox._Answer, "header", header),
        mock.patch.object(rows, "is_binary", return_value=True),
    ):
        told = make_canned(folder)
    return {**told, "killed": len(killed)}


def _kill(parent, whom):
    """Kill the process that forks the readers, or the reader it has forked."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    while whom == "child" and not children.read_text():
        time.sleep(0.001)
    os.kill(parent if whom == "parent" else int(children.read_text().split()[0]), signal.SIGKILL)


def command(folder, words=("run-due", "--now", CALLED), canned=True):
    """The command line, as its process runs it."""
    time.tzset()
    sys.argv = ["tianyan", *words, "--case", str(Path(folder) / "case.toml")]
    with ExitStack() as held:
        for name, ours in _CANNED.items():
            if canned or name == "domain_of":
                held.enter_context(mock.patch.object(making, name, ours))
        cli.main()


def warm(source, folder):
    """Do what every payload would do again: read the domain, and solve an hour, without a store and its threads."""
    place = read_place(copy(Path(source), Path(folder)) / "case.toml")
    domain = _domain_of(place)
    product.template(place.settings, domain.grid, domain.regions)
    service = Service(place, Log("warm"), cases.standing_still(cases.at(NOW)))
    service.look()
    stages, window = making.Stages(), window_of(place, LAST)
    prepared = making.prepare(place, domain, window, service.inputs, service.elsewhere, stages)
    assert prepared.given is not None, prepared.reasons
    making.versions(place, domain, prepared, stages)


_DOMAINS = {}


def _domain_of(place):
    if not _DOMAINS:
        grid = domain_grid(place.settings)
        _DOMAINS[0] = making.Domain(grid, make_regions(place.settings.regions, grid, place.root))
    return _DOMAINS[0]


def _prepare(place, domain, window, inputs, elsewhere, stages, *, give_up="", progress=None):
    view = place.view
    with stages.stage("layout"):
        settings, missing = laid_out(place, window, inputs, elsewhere, view)
        files = tuple(making._files(place, view))
        carrier = carrier_of(settings, view)
    read = [[one["path"], hashlib.sha256((view / one["path"]).read_bytes()).hexdigest()] for one in files]
    key = digest_of([place.config, read, give_up])
    return making.Prepared(window, settings, None, key, tuple(missing), (), carrier, files)


def _versions(place, domain, prepared, stages, *, progress=None):
    template = product.template(place.settings, domain.grid, domain.regions)
    made = []
    for hour in making.wanted(place, prepared.window.hour):
        random = np.random.default_rng([*prepared.key.encode(), int(hour.astype(int))])
        data = template.map(lambda one: one.copy(data=random.random(one.shape).astype(one.dtype)))  # noqa: B023
        status = making.P1 if hour == prepared.window.hour else making.P2
        manifest = making._manifest(place, prepared, hour, status, [])
        made.append(making.Version(hour, data.drop_vars(list(data.coords)), manifest))
    return made


_CANNED = {"domain_of": _domain_of, "prepare": _prepare, "versions": _versions}


# what is there


def seen(folder):
    """What a reader sees who opens the store now, every version checked against its digests."""
    return cases.current(Path(folder))


def statuses(folder):
    """The status of each hour."""
    return {hour: one["status"] for hour, one in seen(folder).items()}


def wrong_in_spool(folder):
    """What is wrong in the spool: a version that is not what its name says, or twice the same in a row."""
    wrong = []
    for home in sorted({path.parent for path in (Path(folder) / "service" / "spool").rglob("[0-9]*-*")}):
        versions = sorted(home.glob("[0-9]*-*"))
        digests = [path.name.partition("-")[2] for path in versions]
        for path, digest in zip(versions, digests, strict=True):
            if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                wrong.append(f"{path.name} is not what its name says")
        if any(first == second for first, second in pairwise(digests)):
            wrong.append(f"{home.name}: twice the same")
    return wrong


def counted_twice(folder):
    """Paths of which two versions count."""
    return _asked(
        folder, "SELECT source, path, count(*) FROM standing WHERE state = 'current' GROUP BY 1, 2 HAVING count(*) > 1"
    )


def set_aside(folder):
    """Path, state and reason of what cannot count."""
    return _asked(folder, "SELECT path, state, reason FROM standing WHERE state NOT IN ('current', 'superseded')")


def counting(folder, path):
    """Sequences of a delivery's versions that count."""
    rows = _asked(folder, "SELECT sequence FROM standing WHERE path = ? AND state = 'current'", path)
    return [number for (number,) in rows]


def entry(folder):
    """State, tries and deaths of the last hour in the ledger; None when it says nothing."""
    rows = _asked(folder, "SELECT state, tries, deaths FROM hour WHERE hour = ?", int(LAST.astype(np.int64)))
    return rows[0] if rows else None


def _asked(folder, question, *values):
    with closing(sqlite3.connect(Path(folder) / "service" / "service.db")) as database:
        return database.execute(question, values).fetchall()


def quiet(folder):
    """Whether a scheduler's call would do nothing."""
    return is_quiet(Path(folder) / "case.toml", cases.at(NOW) + timedelta(minutes=16))


def damages(folder):
    """What is wrong with hours of the store."""
    return HourStore.open(Path(folder) / "service" / "store").check()


def files_by_kind(folder):
    """How many files the store has of each kind."""
    store = Path(folder) / "service" / "store"
    return Counter(path.parent.name for path in store.rglob("*") if path.is_file())
