"""Every row has one outcome."""

import numpy as np
import pytest

from pipeline.errors import SchemaError
from pipeline.ingest.account import Account, count_flags, count_rows, render
from pipeline.schema import Flag


def account(rows, read, **changes):
    given = {"source": "a.dat", "station": "ABC", "species": "co2", "height": 50.0, "hours": 3, "hours_usable": 2}
    return Account(**(given | {"flags": {"incomplete": 1}, "notes": ("a note",)} | changes), rows=rows, rows_read=read)


def test_an_account_that_does_not_add_up_is_refused():
    with pytest.raises(SchemaError, match=r"a.dat: every one of the 5 rows read must have one outcome; got 4"):
        account({"used": 3, "flag K": 1}, 5)


def test_used_rows_say_their_flags():
    reason = np.array(["", "", "", "spike", "spike"], dtype=object)
    bits = np.array([0, Flag.SPIKE, Flag.SPIKE | Flag.RANGE_SUSPECT, Flag.SPIKE, 0], dtype=np.uint32)
    assert count_rows(reason, bits) == {
        "spike": 2, "used": 1, "used, flagged range suspect and spike": 1, "used, flagged spike": 1,
    }  # fmt: skip


def test_an_hour_counts_under_each_of_its_flags():
    flag = np.array([0, Flag.INCOMPLETE, Flag.INCOMPLETE | Flag.RANGE_SUSPECT], dtype=np.uint32)
    assert count_flags(flag) == {"range suspect": 1, "incomplete": 2}


def test_the_table_shows_every_number():
    told = account({"used": 3, "used, flagged spike": 1, "flag [K]": 2}, 6)
    assert told.rows_used == 4
    text = render([told, account({"used": 7}, 7, source="b.dat")])
    for part in (
        "a.dat",
        "ABC 50 m co2, read",
        "flag [K]",
        "usable hours",
        "hours flagged incomplete",
        "a note",
        "b.dat",
    ):
        assert part in text
    assert [int(n) for line in text.splitlines() for n in line.split()[-1:] if "flag [K]" in line] == [2]
