"""Text files that are not what they should be are refused by name and line, whatever is in them, in bounded memory."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from station_files import feed, icos_atc, minutes, registry

from pipeline.errors import FormatError, TianyanError, shown
from pipeline.ingest.formats import icos, table, text
from pipeline.ingest.formats.text import MOST_LINE, read_lines
from pipeline.ingest.stations import read_station
from pipeline.units import species

CO2 = species("co2")
TABLE = {"time": "when", "value": "co2", "unit": "ppm"}
HOURS = ["2024-07-01T00:00", "2024-07-01T01:00", "2024-07-01T02:00"]
#: turned writing, no width, a bell, a new line, an escape of terminals
HIDDEN = "\u202e\u200b\a\n\x1b[31m"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", ""), ("utf-8", "\ufeff"), ("gb18030", ""), ("gb18030", "\ufeff")]
)
def test_encoding_mark_and_line_ends_change_nothing(tmp_path, encoding, mark, end):
    path = tmp_path / "a.csv"
    path.write_bytes(
        (mark + end.join(["when,co2,站号", *(f"{hour},420.5,ABC" for hour in HOURS)]) + end).encode(encoding)
    )
    found = table.read(path, feed("table", table=TABLE | {"encoding": encoding, "station": "站号"}), CO2)
    assert found.value.tolist() == [420.5] * 3
    assert found.reason.tolist() == [""] * 3


def test_only_line_ends_end_lines(tmp_path):
    path = tmp_path / "a.csv"
    # what Python's splitlines takes for ends of lines besides
    path.write_text("a\x0b\x0c\x1c\x85\u2028b\nc", encoding="utf-8")
    assert read_lines(path) == ["a\x0b\x0c\x1c\x85\u2028b", "c"]


def test_another_encoding_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("when,co2\n2024,420\n站号,1\n".encode("gb18030"))
    with pytest.raises(FormatError, match=r"a\.csv: the text must be utf-8; got .*in line 3.*declare encoding"):
        read_lines(path)


def test_zero_bytes_are_refused_with_their_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"when,co2\n2024,420\n2024,\x00\n")
    with pytest.raises(FormatError, match=r"must not hold zero bytes; got 'one in line 3'"):
        read_lines(path)


def test_a_line_without_end_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("wb") as stream:
        stream.write(b"when,co2\n")
        # a sparse file: as long as it says, and of zero bytes that need no disk
        stream.truncate(10**9)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=f"a line must have at most {MOST_LINE} bytes; got 'more in line 2'"):
            read_lines(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * MOST_LINE
    finally:
        tracemalloc.stop()


def test_a_text_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("when,co2\n" + "2024-07-01T00:00,420\n" * 1000)
    monkeypatch.setattr(text, "MOST_BYTES", 1000)
    with pytest.raises(FormatError, match=r"a text file must have at most 1000 bytes; got 'more'.*split it by year"):
        read_lines(path)


def test_decimal_commas_are_no_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("when;co2\n" + "".join(f"{hour};420,5\n" for hour in HOURS[:2]) + f"{HOURS[2]};420.5\n")
    found = table.read(path, feed("table", table=TABLE | {"separator": ";"}), CO2)
    assert found.reason.tolist() == ["unreadable number", "unreadable number", ""]
    path.write_text("when,co2\n" + "".join(f"{hour},420,5\n" for hour in HOURS))
    with pytest.raises(FormatError, match="a row must have 2 columns; got '3 at line 2'"):
        table.read(path, feed("table", table=TABLE), CO2)


@pytest.mark.parametrize(
    "name", ["../../etc", "；DROP TABLE", "A" * 10_000, "\u202eCBA", "AB\u200bC", "ABC\n", "abc", "A", ""]
)
def test_a_station_id_that_is_none_is_refused_by_the_case_file(name):
    with pytest.raises(ValueError, match="id"):
        feed("table", id=name, table=TABLE)


@pytest.mark.parametrize("name", ["../../etc", "；DROP TABLE", "A" * 10_000, HIDDEN, "abc"])
def test_a_station_id_in_a_file_is_compared_and_shown_and_nothing_else(tmp_path, name):
    path = tmp_path / "a.csv"
    cells = [f'{hour},420,"{name}"' for hour in HOURS[:2]] + [f"{HOURS[2]},420,ABC"]
    path.write_bytes(("when,co2,id\n" + "\n".join(cells) + "\n").encode())
    ours = feed("table", table=TABLE | {"station": "id"}, zone="UTC", hour_label="start")
    try:
        _, account = read_station(path, ours, CO2, registry(tmp_path))
    except TianyanError as error:
        said = str(error)
    else:
        assert account.rows["used"] == 1
        said = "".join(account.rows)
    assert said.isprintable()
    assert len(said) < 1000


def test_many_foreign_ids_do_not_make_a_long_account(tmp_path):
    path = tmp_path / "a.csv"
    rows = "".join(f"2024-07-{1 + i // 24:02d}T{i % 24:02d}:00,420,X{i}\n" for i in range(500))
    path.write_text(f"when,co2,id\n{rows}2024-07-31T00:00,420,ABC\n")
    ours = feed("table", table=TABLE | {"station": "id"}, zone="UTC", hour_label="start")
    _, account = read_station(path, ours, CO2, registry(tmp_path))
    assert account.rows["used"] == 1
    assert account.rows["one of 470 other outcomes"] == 470
    assert sum(account.rows.values()) == account.rows_read == 501


def test_no_message_moves_the_cursor_or_turns_the_writing():
    error = FormatError(f"a rule{HIDDEN}", got=HIDDEN * 100, remedy=f"a remedy{HIDDEN}", where=f"a{HIDDEN}.csv")
    # lines are ours: only in a rule and a remedy
    assert str(error).replace("\n", "").isprintable()
    assert str(error).count("\n") == 2
    assert len(str(error)) < 1000
    assert shown("\udc80") == "\\udc80"


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused_and_not_run(tmp_path, protocol):
    mark = tmp_path / "written"
    path = tmp_path / "a.csv"
    path.write_bytes(pickle.dumps(Payload(mark), protocol))
    with pytest.raises(FormatError, match=r"a\.csv: the file must be text; got 'a Python pickle'.*could run code"):
        table.read(path, feed("table", table=TABLE), CO2)
    assert not mark.exists()
    # were it opened as what it is, it would write
    pickle.loads(path.read_bytes()).close()
    assert mark.exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"!!python/object/apply:os.system ['touch written']", "YAML with Python tags"),
        (b"# a comment\nco2: !!python/name:os.system", "YAML with Python tags"),
        (b"PK\x03\x04rest", "an archive"),
        (b"\x1f\x8brest", "an archive"),
        (b"x" * 257 + b"ustar\x0000", "an archive"),
    ],
)
def test_what_is_no_text_is_named_by_its_first_bytes(tmp_path, content, kind):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=f"the file must be text; got '{kind}'"):
        read_lines(path)


def test_a_numpy_file_of_objects_is_refused_and_not_run(tmp_path):
    mark, path = tmp_path / "written", tmp_path / "a.npy"
    np.save(path, np.array([Payload(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="the file must be text; got 'a numpy array file'"):
        table.read(path, feed("table", table=TABLE), CO2)
    assert not mark.exists()


def test_a_parquet_column_of_pickles_stays_bytes(tmp_path):
    mark, path = tmp_path / "written", tmp_path / "a.parquet"
    frame = pd.DataFrame({"when": HOURS, "co2": [420.5] * 3, "more": [pickle.dumps(Payload(mark))] * 3})
    frame.to_parquet(path)
    assert table.read(path, feed("table", table=TABLE), CO2).value.tolist() == [420.5] * 3
    assert not mark.exists()


def test_an_id_in_a_header_is_refused_when_it_is_another(tmp_path):
    path = icos_atc(tmp_path / "a.CO2", [(t, 410, "O", 115) for t in minutes("2024-07-01T00", 3, 60)])
    path.write_text(path.read_text(encoding="utf-8").replace("\nABC;", "\n../../etc;"), encoding="utf-8")
    assert icos.read_atc(path, feed("icos-atc"), CO2).reason.tolist() == ["other station ../../etc"] * 3
