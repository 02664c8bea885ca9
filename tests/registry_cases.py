"""Inputs of a service of three stations, with an inbox and a clock."""

import hashlib
import os
from datetime import UTC, datetime, timedelta

import service_stub as stub

from pipeline.ingest import Contents, sources_of
from pipeline.service.database import open_database
from pipeline.service.inputs import Inputs
from pipeline.service.place import read_place
from pipeline.service.spool import Spool
from pipeline.service.window import hour_number

NOON = datetime(2024, 8, 1, 12, tzinfo=UTC)
ZERO = hour_number(stub.FIRST)


class Registry:
    """Inputs of the three stations, and a clock."""

    def __init__(self, folder):
        self.case = stub.make_place(folder)
        self.now, self.quiet = NOON, 0.0
        self.open()

    def open(self):
        self.place = read_place(self.case)
        self.spool = Spool(self.place.spool)
        self.database = open_database(self.place.database)
        self.inputs = Inputs(
            self.database, self.spool, self.place.root, sources_of(self.place.settings), self.place.config,
            self.place.folder / "recalled.txt",
        )  # fmt: skip

    def lose_database(self):
        self.database.close()
        for path in self.place.folder.glob("service.db*"):
            path.unlink()
        self.open()

    def put(self, path, *hours, text=None, age=0.0):
        """Deliver a file of hours (number, variant); `age` is how many seconds ago it last changed."""
        text = stub.text_of(path[:3].upper(), *hours) if text is None else text
        found = stub.deliver(self.case, path, text)
        stamp = (self.now - timedelta(seconds=age)).timestamp()
        os.utime(found, (stamp, stamp))
        return found

    def look(self):
        return self.inputs.look(lambda: Contents(self.place.settings, self.place.root), self.now, self.quiet)

    def hours(self):
        return {hour - ZERO: digest for hour, digest in self.inputs.hours(ZERO - 99, ZERO + 99).items()}

    def current(self):
        return {path for _, path, _ in self.inputs.files(ZERO - 99, ZERO + 99)}

    def states(self):
        return {path: state for _, path, state, _ in self.inputs.states()}

    def kept(self):
        return [(path, number) for path, number, _ in self.spool.versions()]

    def all_there(self):
        """Whatever counts can be read."""
        for _, _, kept in self.inputs.files(ZERO - 99, ZERO + 99):
            assert hashlib.sha256(kept.read_bytes()).hexdigest() == kept.name.partition("-")[2]
        return True
