"""What senders do to the inbox of a service, on time or not: rules of a machine of Hypothesis."""

from pathlib import Path

import service_stub as stub
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from machine_model import Model, sha
from service_stub import FIRST, HOUR

from pipeline.service.place import newest_due, read_place

DAMAGED = (
    b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>\n",
    b"time,c",
    b"",
    b"\x00" * 300,
)


class Inbox(RuleBasedStateMachine):
    """The senders of a service; who inherits it has the service's `case` and its `clocks`."""

    def __init__(self):
        super().__init__()
        self.model = Model()
        self.inbox: dict[str, bytes] = {}
        #: files of which a run that was stopped may have taken something
        self.unsure: set[str] = set()

    def put(self, path, content):
        if path in self.unsure and self.inbox.get(path) != content:
            return
        note(f"{path}: {content[-40:]!r}")
        stub.deliver(self.case, path, content)
        self.inbox[path] = content

    def now(self):
        """The newest hour that is due."""
        return int((newest_due(read_place(self.case), self.clocks.wall) - FIRST) / HOUR)

    @rule(station=st.sampled_from(["AAA", "CCC"]), back=st.integers(-1, 4), variant=st.integers(0, 2))
    def deliver(self, station, back, variant):
        """On time, late, early; again with another number."""
        hour = self.now() - back
        if hour >= 0:
            self.put(f"{station.lower()}/{station}_{hour:03d}.csv", stub.text_of(station, (hour, variant)).encode())

    @rule(
        station=st.sampled_from(["AAA", "CCC"]),
        back=st.integers(0, 4),
        number=st.integers(1, 2),
        variant=st.integers(1, 2),
    )
    def revise(self, station, back, number, variant):
        hour = max(self.now() - back, 0)
        name = f"{station.lower()}/{station}_{hour:03d}.r{number}.csv"
        self.put(name, stub.text_of(station, (hour, variant)).encode())

    @rule(hours=st.integers(1, 4), variant=st.sampled_from([0, 0, 0, 1]))
    def grow(self, hours, variant):
        """A file that is appended to; sometimes by rows that say something else of an hour."""
        path = f"bbb/of the day {max(self.now(), 0) // 8} [5%].csv"
        before = self.inbox.get(path, b"time,co2\n")
        done = before.count(b"\n") // stub.ROWS
        first = max(self.now(), 0) // 8 * 8
        more = "".join(stub.lines_of("BBB", first + (done + n) % 8, variant) for n in range(hours))
        self.put(path, before + more.encode())

    @rule(data=st.data())
    def duplicate(self, data):
        known = sorted(path for path in self.inbox if not path.startswith("bbb"))
        path = data.draw(st.sampled_from(known))
        self.put(f"{path[:3]}/copies/{Path(path).stem} (1).csv", self.inbox[path])

    @rule(data=st.data(), kind=st.integers(0, 4))
    def damage(self, data, kind):
        path = data.draw(st.sampled_from(sorted(self.inbox)))
        # the last: a machine that lost power leaves zeros at the end of what it appended
        self.put(path, DAMAGED[kind] if kind < len(DAMAGED) else self.inbox[path] + b"\x00" * 64)

    @rule(data=st.data())
    def again(self, data):
        """The same file, delivered anew."""
        path = data.draw(st.sampled_from(sorted(self.inbox)))
        self.put(path, self.inbox[path])

    @precondition(lambda self: self.model.taken)
    @rule(data=st.data())
    def recall(self, data):
        path = data.draw(st.sampled_from(sorted(self.model.taken)))
        digest = sha(data.draw(st.sampled_from(self.model.taken[path])))
        self.model.recalled.add(digest)
        with (self.service / "recalled.txt").open("a", encoding="utf-8") as stream:
            stream.write(f"{digest} withdrawn\n")
