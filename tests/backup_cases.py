"""A service with a store, deliveries and a database, to back up; and all that it knows."""

import sqlite3

import hour_cases
from served_case import served

from pipeline.grid import HourStore
from pipeline.service.database import open_database

HOURS = 24 * 5


def deliver(place, number, content=None):
    """A version of a delivery, as the spool keeps it."""
    folder = place.spool / "hz" / f"{number}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"000001-{'0' * 64}").write_bytes(content or f"row {number}\n".encode() * 100)


def commit(place, number, seed=0):
    store = HourStore.open(place.store)
    store.commit([hour_cases.noisy(number, seed)], at=hour_cases.at(number))


def note(place, text):
    database = open_database(place.database)
    with database:
        database.execute("INSERT INTO told VALUES (?, 's', 'c', '')", (text,))
    database.close()


def make_service(folder):
    """A service with a store, deliveries, a database, and things that can be made again."""
    place = served(folder, tables=["tables/own.csv"])
    (place.root / "tables").mkdir()
    (place.root / "tables" / "own.csv").write_text("station\n", encoding="utf-8")
    place.folder.mkdir()
    hour_cases.make(place.store, hours=HOURS)
    for number in range(3):
        commit(place, number)
        deliver(place, number)
    note(place, "first")
    (place.folder / "recalled.txt").write_text("0" * 64, encoding="utf-8")
    for again in ("cache/a", "view/b", "service.log", "service.log.1"):
        (place.folder / again).parent.mkdir(exist_ok=True)
        (place.folder / again).write_text("again", encoding="utf-8")
    return place


def state(place):
    """All that a service knows, as its readers see it."""
    with HourStore.open(place.store).at() as reader:
        hours = {str(hour): reader.manifest(hour) for hour in reader.hours()}
        for hour in reader.hours():
            reader.verify(hour)
    spool = {str(p.relative_to(place.spool)): p.read_bytes() for p in place.spool.rglob("*") if p.is_file()}
    database = sqlite3.connect(place.database)
    told = database.execute("SELECT sha256 FROM told ORDER BY sha256").fetchall()
    database.close()
    return hours, spool, told, (place.folder / "recalled.txt").read_bytes()
