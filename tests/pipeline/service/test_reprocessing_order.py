"""Hours come back in any order, late, lost or damaged, and are committed in theirs; none is held in memory.

The crew is a stand-in that makes hours here, and gives them back as a test wants it to.
"""

from collections import deque

import pytest
import service_stub as stub

from pipeline.errors import ConfigError
from pipeline.grid import HourStore
from pipeline.service import crew as crews
from pipeline.service import reprocessing_dask
from pipeline.service.crew import Crew, Lane
from pipeline.service.place import newest_due
from pipeline.service.remaking import Book, remake
from pipeline.service.reprocessing_dask import Reprocessing
from pipeline.service.waiting import Waiting

COUNT = 20
HOURS = [stub.FIRST + number * stub.HOUR for number in range(COUNT)]


class Hands:
    """Workers that make an hour when they are asked what has ended; `choose` says which of those under way."""

    def __init__(self, service, lanes=2, choose=lambda under_way: under_way[0]):
        self.service, self.choose = service, choose
        self.lanes = [Lane() for _ in range(lanes)]
        self.under_way = []
        self.begun, self.most = [], 0

    def look(self):
        """Nobody goes."""

    def give(self, lane, asked):
        lane.ready.append(asked)
        self.under_way.append((lane, asked))
        self.begun.append(asked.hour)
        self.most = max(self.most, len(self.under_way))

    def ended(self, seconds):
        if not self.under_way:
            return
        lane, asked = one = self.choose(self.under_way)
        self.under_way.remove(one)
        lane.ready.remove(asked)
        yield asked, self.made(asked)

    def made(self, asked):
        return remake(self.service.place, self.service.domain, asked)


@pytest.fixture
def case(tmp_path):
    with stub.stubbed():
        found = stub.make_place(tmp_path)
        for station in stub.STATIONS:
            rows = [(hour, 0) for hour in range(COUNT + stub.LAG)]
            stub.deliver(found, f"{station.lower()}/{station}.csv", stub.text_of(station, *rows))
        yield found


def made_by(case, hands_of, hours=HOURS, name="R1"):
    """What a stand-in's hours come to: the stand-in, the run's outcome, and the hours by their commits."""
    with stub.run(case, stub.Clocks(COUNT + stub.LAG), "reprocess") as (service, outcome):
        service.look()
        if name not in service.store.branches():
            service.store.branch(name, at=service.clock.wall())
        hands = hands_of(service)
        work = Reprocessing(service, name, hours, newest_due(service.place, outcome.now))
        work.run(hands, Book(service, name, outcome), lambda: None, lambda *_: None)
    with HourStore.open(case.parent / "service" / "store").at(branch=name) as reader:
        found = {hour: reader.manifest(hour) for hour in reader.hours()}
    return hands, outcome, sorted(found, key=lambda hour: found[hour]["seq"])


def test_hours_that_end_last_first_are_committed_in_their_order(case):
    _, outcome, order = made_by(case, lambda service: Hands(service, choose=lambda under_way: under_way[-1]))
    assert (outcome.made, order) == (HOURS, HOURS)
    assert not any((case.parent / "service" / "waiting").iterdir())


def test_while_one_hour_takes_long_a_bounded_number_waits_and_all_of_it_on_disk(case, monkeypatch):
    monkeypatch.setattr(reprocessing_dask, "_MOST", 4)
    monkeypatch.setattr(reprocessing_dask, "_BEYOND", 1)
    held = []

    class Slow(Hands):
        def ended(self, seconds):
            # the first hour ends when nobody has anything else to do
            others = [one for one in self.under_way if one[1].hour != HOURS[0]]
            self.choose = lambda under_way: others[0] if others else under_way[0]
            held.append(len(list((case.parent / "service" / "waiting").rglob("*.npz"))))
            yield from super().ended(seconds)

    hands, _, order = made_by(case, Slow)
    assert order == HOURS
    # stretches of four hours, and no new one is begun once as many hours as workers could have in theirs are
    assert max(held) == 7
    assert hands.begun.index(HOURS[8]) > hands.begun.index(HOURS[7])
    assert hands.most <= 2 * crews.READY


def test_an_hour_that_was_lost_on_its_way_is_made_again(case):
    lost = {HOURS[2], HOURS[9]}

    class Losing(Hands):
        def made(self, asked):
            if asked.hour in lost:
                lost.remove(asked.hour)
                return None
            return super().made(asked)

    hands, outcome, order = made_by(case, Losing)
    assert (outcome.made, outcome.failed, order) == (HOURS, {}, HOURS)
    assert len(hands.begun) == COUNT + 2


def test_a_version_that_the_disk_damaged_while_it_waited_is_made_again(case):
    class Damaging(Hands):
        def ended(self, seconds):
            for path in (case.parent / "service" / "waiting").rglob("*.npz"):
                path.write_bytes(path.read_bytes()[:-50])
            yield from super().ended(seconds)

    hands, outcome, order = made_by(case, lambda service: Damaging(service, choose=lambda under_way: under_way[-1]))
    assert (outcome.made, order) == (HOURS, HOURS)
    assert len(hands.begun) > COUNT


def test_an_hour_whose_files_went_while_it_was_read_is_asked_for_anew(case):
    class Growing(Hands):
        def made(self, asked):
            found = super().made(asked)
            if asked.hour == HOURS[3] and self.begun.count(HOURS[3]) == 1:
                # a file grew: what it was before is dropped from the spool
                path = stub.deliver(case, "aaa/AAA.csv", stub.text_of("AAA", *((h, 0) for h in range(COUNT + 3))))
                assert path.exists()
                self.service.look()
                assert not asked.known.is_there()
            return found

    hands, outcome, order = made_by(case, Growing)
    assert (outcome.made, outcome.failed, order) == (HOURS, {}, HOURS)
    assert hands.begun.count(HOURS[3]) == 2


def test_what_waited_when_the_driver_died_is_not_made_again_unless_its_inputs_changed(case):
    class Dying(Hands):
        def ended(self, seconds):
            if len(self.begun) > 12:
                raise KeyboardInterrupt
            self.choose = lambda under_way: next(one for one in under_way if one[1].hour != HOURS[0])
            yield from super().ended(seconds)

    with pytest.raises(KeyboardInterrupt):
        made_by(case, Dying)
    waiting = len(list((case.parent / "service" / "waiting").rglob("*.npz")))
    assert waiting > 4
    hands, outcome, order = made_by(case, Hands)
    assert (outcome.made, order) == (HOURS, HOURS)
    assert len(hands.begun) == COUNT - waiting
    # another case file: nothing of it counts
    text = case.read_text(encoding="utf-8").replace("sigma_fraction = 0.5", "sigma_fraction = 0.4")
    with pytest.raises(KeyboardInterrupt):
        made_by(case, Dying, name="R2")
    case.write_text(text, encoding="utf-8")
    hands, outcome, order = made_by(case, Hands, name="R2")
    assert (outcome.made, len(hands.begun)) == (HOURS, COUNT)


def test_what_is_there_from_just_what_there_is_is_not_asked_of_anybody(case):
    made_by(case, Hands, HOURS[:7])
    hands, outcome, _ = made_by(case, Hands)
    assert (outcome.same, outcome.made) == (HOURS[:7], HOURS[7:])
    assert hands.begun[0] == HOURS[7]


def test_a_version_that_waits_comes_back_as_it_was(case):
    with stub.run(case, stub.Clocks(COUNT + stub.LAG), "reprocess") as (service, outcome):
        service.look()
        service.store.branch("R1", at=service.clock.wall())
        asked = reprocessing_dask.ask(service, "R1", HOURS[0], newest_due(service.place, outcome.now), oldest=HOURS[0])
        made = remake(service.place, service.domain, asked)
        waiting = Waiting(service.place, "R1")
        waiting.put(asked, made)
        found = waiting.get(asked)
    assert found.version.manifest == made.version.manifest
    assert found.version.data.identical(made.version.data)
    assert (found.version.hour, found.error) == (HOURS[0], "")


class Nobody:
    """A scheduler without workers."""

    def nthreads(self):
        return {}


class Gone:
    """A scheduler that does not answer."""

    def nthreads(self):
        raise OSError("connection refused")


@pytest.mark.parametrize(("client", "told"), [(Nobody(), "must have workers; got 'none for"), (Gone(), "must answer")])
def test_without_workers_for_long_or_a_scheduler_the_run_ends_and_says_how_to_go_on(case, monkeypatch, client, told):
    monkeypatch.setattr(crews, "_PATIENCE", -1.0)
    with stub.run(case, stub.Clocks(COUNT), "reprocess") as (service, _):
        made = Crew(client, service.place)
        made._looked = -100.0
        with pytest.raises(ConfigError, match=f"(?s){told}.*call the same once more: what is committed stays"):
            made.look()


def test_lanes_follow_the_workers_and_one_with_work_stays(case):
    class Coming:
        def __init__(self):
            self.there = deque([{"a": 1}, {"a": 1, "b": 1, "c": 1}, {"c": 1}])

        def nthreads(self):
            return self.there.popleft()

    with stub.run(case, stub.Clocks(COUNT), "reprocess") as (service, _):
        made = Crew(Coming(), service.place)
        counts = []
        for _ in range(3):
            made._looked = -100.0
            made.look()
            made.lanes[-1].hours.append(HOURS[0])
            counts.append(len(made.lanes))
    assert counts == [1, 3, 2]
