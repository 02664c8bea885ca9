"""Whatever comes, in whatever order, and whatever fails meanwhile: the store is a function of what was delivered.

Hypothesis runs a service through deliveries, faults and housekeeping; a model of a few lines says which rows count.
SOAK=1 makes it a hundred runs.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import service_stub as stub
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from machine_inbox import Inbox
from machine_model import sha
from machine_stops import POINTS, Killed, breaking
from service_stub import FIRST, HOUR, LAG

from pipeline.errors import LockedError, StoreError, TianyanError
from pipeline.grid import HourStore
from pipeline.service import runs
from pipeline.service.database import open_database
from pipeline.service.ledger import DONE, Ledger
from pipeline.service.lock import locked
from pipeline.service.place import newest_due, read_place
from pipeline.service.reprocessing import release, reprocess
from pipeline.service.runs import make_all
from pipeline.service.tidying import consolidate, daily

# a run that is killed closes nothing
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SOAK = bool(os.environ.get("SOAK"))
EXAMPLES, STEPS = (100, 30) if SOAK else (5, 15)
OFTEN = "quiet_seconds = 0\ncatch_up = 60\nconsolidate_days = 1\nkeep_days = 1"


class Hours(Inbox):
    """A service, its inbox, and what the model says of it."""

    def __init__(self):
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="hours-"))
        self.stack.callback(shutil.rmtree, self.folder)
        self.stack.enter_context(stub.stubbed())
        self.case = stub.make_place(self.folder / "lived", OFTEN)
        self.service = self.case.parent / "service"
        self.clocks = stub.Clocks(0)
        self.kills = 0
        #: windows that were ever solved
        self.solved: set[int] = set()
        self.readers = []
        self.snapshots: dict[str, str] = {}
        self.branches = 0
        self.seq = 0
        self.latest = self.clocks.wall

    @initialize()
    def begin(self):
        for station in stub.STATIONS:
            self.put(f"{station.lower()}/{station}_000.csv", stub.text_of(station, (0, 0)).encode())
        self.tick(0)

    # --- what the service does

    def looked(self):
        """The inbox was looked at: what is there was taken."""
        for path, content in self.inbox.items():
            versions = self.model.taken.setdefault(path, [])
            if not versions or versions[-1] != content:
                versions.append(content)
        self.unsure.clear()

    def ran(self, outcome):
        self.solved |= {int((hour - FIRST) / HOUR) for hour in (*outcome.made, *outcome.same)}
        self.latest = max(self.latest, self.clocks.wall)

    @rule(hours=st.integers(0, 2))
    def tick(self, hours):
        self.clocks.pass_by(hours=hours, minutes=1)
        outcome = stub.due(self.case, self.clocks)
        self.kills = 0
        self.looked()
        self.ran(outcome)
        assert not outcome.failed
        assert not outcome.left
        self.check(outcome)

    @rule(hours=st.integers(1, 4))
    def sleep(self, hours):
        """The machine is off."""
        self.clocks.pass_by(hours=hours)

    @rule(back=st.integers(0, 6), count=st.integers(1, 4))
    def backfill(self, back, count):
        self.clocks.pass_by(minutes=1)
        with stub.run(self.case, self.clocks, "backfill") as (service, outcome):
            outcome.looked = service.look()
            last = newest_due(service.place, outcome.now)
            hours = np.arange(max(FIRST, last - back * HOUR), min(last, last - back * HOUR + count * HOUR) + HOUR)
            make_all(service, list(hours), outcome, force=True)
        self.looked()
        self.ran(outcome)
        assert not outcome.failed

    @precondition(lambda self: self.kills < 2)
    @rule(
        point=st.sampled_from(POINTS), after=st.booleans(), nth=st.integers(1, 4),
        how=st.sampled_from([Killed, Killed, OSError, KeyboardInterrupt]), hours=st.integers(0, 2),
    )  # fmt: skip
    def crash(self, point, after, nth, how, hours):
        """A run is killed, fails or is interrupted somewhere."""
        self.clocks.pass_by(hours=hours, minutes=1)
        with breaking(point, after, nth, how), contextlib.suppress(how, TianyanError):
            outcome = stub.due(self.case, self.clocks)
            self.ran(outcome)
        self.kills += 1
        self.unsure |= {p for p, content in self.inbox.items() if self.model.taken.get(p, [b"-"])[-1] != content}
        self.solved |= self.said_solved()

    def said_solved(self):
        """Windows that versions were made from, by a run that did not say so."""
        if not HourStore.is_there(self.service / "store"):
            return set()
        with self.reading() as reader:
            ends = [manifest["window"][1] for manifest in self.manifests(reader).values()]
        return {int((np.datetime64(end, "h") - FIRST) / HOUR) - 1 for end in ends}

    @rule()
    def two_schedulers(self):
        with (
            stub.run(self.case, self.clocks),
            mock.patch.object(runs, "locked", lambda path: locked(path, 0.0)),
            pytest.raises(LockedError),
            stub.run(self.case, self.clocks),
        ):
            pass

    @rule(what=st.sampled_from(["service.db", "cache", "view", "health.json", "quiet.json"]))
    def lose(self, what):
        if what == "service.db" and self.unsure:
            return
        for path in self.service.glob(f"{what}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    @rule()
    def consolidate(self):
        self.clocks.pass_by(minutes=1)
        with stub.run(self.case, self.clocks) as (service, outcome):
            consolidate(service, datetime(2024, 8, 3, tzinfo=UTC), runs.due(service, outcome.now))

    @rule(days=st.integers(0, 3))
    def collect(self, days):
        self.clocks.pass_by(minutes=1)
        with stub.run(self.case, self.clocks) as (service, outcome):
            daily(service, outcome.now + timedelta(days=days))
            again = service.store.collect(outcome.now + timedelta(days=days - 1))
            assert (again.snapshots, again.chunks) == (0, 0)
        self.snapshots = {one: told for one, told in self.snapshots.items() if self.is_there(one)}

    def is_there(self, snapshot):
        try:
            HourStore.open(self.service / "store").at(snapshot=snapshot).close()
        except StoreError:
            return False
        return True

    @precondition(lambda self: self.kills == 0)
    @rule(back=st.integers(1, 6))
    def reprocess(self, back):
        if self.now() < 0:
            return
        self.clocks.pass_by(minutes=1)
        self.branches += 1
        with stub.run(self.case, self.clocks, "reprocess") as (service, outcome):
            outcome.looked = service.look()
            last = newest_due(service.place, outcome.now)
            hours = np.arange(max(FIRST, last - back * HOUR), last + HOUR)
            reprocess(service, f"R{self.branches}", list(hours), outcome)
            assert not outcome.failed
            release(service, f"R{self.branches}")
        self.looked()
        self.ran(outcome)

    @rule(hours=st.sampled_from([-30, -2, 2]), boot=st.booleans())
    def jump(self, hours, boot):
        """The clock is set wrong; a machine that starts anew cannot know."""
        if boot:
            self.clocks.boot += "+"
        if hours < 0 or self.now() < 20:
            self.clocks.wall += timedelta(hours=hours)

    @rule()
    def copy_store(self):
        """A backup, of the store alone."""
        shutil.rmtree(self.folder / "backup", ignore_errors=True)
        if HourStore.is_there(self.service / "store"):
            shutil.copytree(self.service / "store", self.folder / "backup", ignore=shutil.ignore_patterns("leases"))

    @precondition(lambda self: (self.folder / "backup").exists())
    @rule()
    def put_store_back(self):
        """The store is what it was; database and spool are not."""
        while self.readers:
            self.readers.pop()[0].close()
        shutil.rmtree(self.service / "store")
        shutil.move(self.folder / "backup", self.service / "store")
        self.snapshots.clear()
        self.seq = 0
        self.solved = self.said_solved()

    # --- readers

    def reading(self):
        return HourStore.open(self.service / "store").at()

    @rule()
    def open_reader(self):
        reader = self.reading()
        self.readers.append((reader, self.told(reader)))

    @precondition(lambda self: self.readers)
    @rule()
    def read_on(self):
        """A reader that was opened long ago reads what it would have read then."""
        reader, told = self.readers.pop(0)
        assert self.told(reader) == told
        reader.close()

    def manifests(self, reader):
        hours = reader.hours()
        return reader.manifests(hours[0], hours[-1] + HOUR) if hours.size else {}

    def told(self, reader):
        """Return a digest of all that a snapshot says; every hour is verified (I1)."""
        digest = hashlib.sha256()
        for hour, manifest in self.manifests(reader).items():
            reader.verify(hour)
            digest.update(json.dumps(manifest, sort_keys=True).encode())
            for name, values in sorted(reader.values(hour).items()):
                assert name not in ("flux_posterior", "flux_posterior_std") or np.isfinite(values).all()
                digest.update(values.tobytes())
        return digest.hexdigest()

    # --- what must hold after a run that left nothing to do

    def check(self, outcome):
        last = int((newest_due(read_place(self.case), outcome.now) - FIRST) / HOUR)
        rows = self.model.rows()
        with self.reading() as reader:
            told = self.told(reader)
            assert self.snapshots.setdefault(reader.snapshot, told) == told
            assert reader.seq >= self.seq, "I10"
            self.seq = reader.seq
            found = {int((hour - FIRST) / HOUR): manifest for hour, manifest in self.manifests(reader).items()}
            assert set(range(last + 1)) <= set(found), "I6"
            for hour, manifest in found.items():
                if hour + LAG <= last or (hour <= last and hour + LAG not in self.solved):
                    self.check_hour(reader, hour, manifest, rows)
        self.check_health(found, outcome, last)

    def check_hour(self, reader, number, manifest, rows):
        hour = FIRST + number * HOUR
        end = hour + LAG * HOUR if number + LAG in self.solved else hour
        known = [row for row in rows if np.datetime64(row[1], "h") <= end]
        mine = stub.hour_of(known, hour)
        assert manifest["rows"] == mine, "I5"
        assert len({(row[0], row[1]) for row in manifest["rows"]}) == len(mine), "I5"
        stations = len({row[0] for row in mine})
        assert manifest["condition"] == ["prior_only", "degraded", "full", "full"][stations], "I6"
        assert sum(count["used"] for count in manifest["counts"].values()) == len(mine), "I6"
        sequence = [line["seq"] for line in reader.revisions(hour)]
        assert sequence == sorted(set(sequence)), "I10"
        values, wanted = reader.values(hour), stub.numbers(known, hour)
        for name, value in values.items():
            np.testing.assert_allclose(value, wanted[name].values, rtol=2e-4, err_msg=f"I3 {hour} {name}")
        assert (values["flux_posterior_std"] <= values["flux_prior_std"]).all(), "I8"
        np.testing.assert_allclose(values["flux_posterior"].sum(), values["region_posterior"].sum(), rtol=1e-3)
        read = [(told["path"][:3], told["sha256"]) for told in manifest["inputs"] if "sha256" in told]
        assert len(set(read)) == len(read), "I5: the same content twice"
        for told in manifest["inputs"]:
            if "sha256" in told:
                assert self.resolves(told), f"I7 {hour} {told}"

    def resolves(self, told):
        """Whether what a manifest names is in the spool: as it was, or as the beginning of what it grew into."""
        home = self.service / "spool" / told["path"]
        kept = [path.read_bytes() for path in home.iterdir() if path.name[0].isdigit()]
        return any(sha(content[: told["bytes"]]) == told["sha256"] for content in kept)

    def check_health(self, found, outcome, last):
        """I9: what is told of the service is so."""
        health = json.loads((self.service / "health.json").read_text(encoding="utf-8"))
        assert health["due"]["missing"] == 0
        assert health["failed_count"] == 0
        assert health["run"]["outcome"] == "done"
        database = open_database(self.service / "service.db")
        entries = Ledger(database).entries()
        wrong = database.execute("SELECT path FROM standing WHERE state = 'refused'").fetchall()
        database.close()
        for number in range(last + 1):
            entry = entries[FIRST + number * HOUR]
            assert entry.state == DONE
        assert {path for (path,) in wrong} == self.model.damaged()

    # --- the end

    def teardown(self):
        try:
            self.finish()
        finally:
            self.stack.close()

    def finish(self):
        if not self.model.taken:
            return
        # the clock is right again, and an hour passes
        self.clocks.boot += "!"
        self.clocks.wall = max(self.latest, self.clocks.wall)
        self.tick(1)
        for reader, told in self.readers:
            assert self.told(reader) == told, "I2"
            reader.close()
        store = HourStore.open(self.service / "store")
        for snapshot, told in list(self.snapshots.items())[-6:]:
            with store.at(snapshot=snapshot) as reader:
                assert self.told(reader) == told, "I2"
        assert store.check() == {}
        assert self.content(self.case) == self.content(self.lived_at_once()), "I4"

    def lived_at_once(self):
        """A service that gets everything that was taken in one go, in the order of names."""
        case = stub.make_place(self.folder / "at once", OFTEN)
        clocks = stub.Clocks(0)
        clocks.wall = self.clocks.wall
        (case.parent / "service").mkdir(exist_ok=True)
        (case.parent / "service" / "recalled.txt").write_text("\n".join(sorted(self.model.recalled)), "utf-8")
        with stub.run(case, clocks) as (service, _):
            for number in range(max(len(versions) for versions in self.model.taken.values())):
                for path, versions in sorted(self.model.taken.items()):
                    if number < len(versions):
                        stub.deliver(case, path, versions[number])
                service.look()
        outcome = stub.due(case, clocks)
        assert not outcome.failed
        assert not outcome.left
        return case

    def content(self, case):
        """What a store says, but for what depends on the way that led there."""
        with HourStore.open(case.parent / "service" / "store").at() as reader:
            return {
                str(hour): [manifest[name] for name in ("key", "digest", "condition", "rows", "counts", "window")]
                for hour, manifest in self.manifests(reader).items()
            }


def test_a_clock_that_was_years_ahead_lets_no_failed_hour_and_no_housekeeping_wait_for_years(tmp_path):
    with stub.stubbed():
        case, clocks = stub.make_place(tmp_path / "place", OFTEN), stub.Clocks(0)
        with breaking((HourStore, "commit"), False, 1, OSError), stub.run(case, clocks) as (service, outcome):
            service.look()
            # that machine began with a clock of its own
            clocks.wall += timedelta(days=9000)
            make_all(service, [FIRST], outcome)
            assert list(outcome.failed) == [FIRST]
            service.ledger.note(runs._DAILY, clocks.wall.isoformat())
        clocks.wall -= timedelta(days=9000)
        clocks.boot = "another"
        clocks.pass_by(minutes=1)
        with stub.run(case, clocks) as (service, outcome):
            runs.run_due(service, outcome)
            assert outcome.made == [FIRST]
            assert service.ledger.noted(runs._DAILY) < "2025"


Hours.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    derandomize=not SOAK,
    # a failing story of twenty steps is read sooner than it is shortened
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestHours = Hours.TestCase
