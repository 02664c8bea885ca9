"""ARL records: packing undone to its precision, and every kind of damage named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FormatError, InputError, TimeError
from pipeline.ingest.arl import checksum, index, periods, read_field, unpack

GRID = (90.0, 0.0, 45.0, 8.0, 12.0, 0.0, 45.0, 1.0, 1.0, 44.0, 7.0, 0.0)
NY, NX = 9, 31
RECORD = 50 + NX * NY


def pack(field):
    """Return (packed bytes, exponent, precision), differences against the values as the reader will see them."""
    largest = max(np.abs(np.diff(field, axis=1)).max(), np.abs(np.diff(field[:, 0])).max())
    # room for the half step that the values before may be off
    exponent = int(np.floor(np.log2(1.02 * largest))) + 1
    step = 2.0 ** (exponent - 7)
    packed, start = np.empty(field.shape, np.uint8), field[0, 0]
    for j, row in enumerate(field):
        last = start
        for i, value in enumerate(row):
            packed[j, i] = int(np.clip(np.floor((value - last) / step + 127.5), 0, 255))
            last += (int(packed[j, i]) - 127) * step
            start = last if i == 0 else start
    return packed, exponent, 2.0**exponent / 254


def label(time, level, variable, exponent=0, precision=0.0, first=0.0, forecast=0):
    date = f"{time.year % 100:2d}{time.month:2d}{time.day:2d}{time.hour:2d}{forecast:2d}{level:2d}99{variable}"
    return f"{date}{exponent:4d}{precision:14.7E}{first:14.7E}".encode()


def period_bytes(time, fields, values):
    """Return one time period: `fields` maps (level, variable) to its field, `values` are the levels."""
    data, listing = b"", ""
    for level, value in enumerate(values):
        held = {variable: field for (at, variable), field in fields.items() if at == level}
        listing += f"{value:6.1f}{len(held):2d}"
        for variable, field in held.items():
            packed, exponent, precision = pack(field)
            listing += f"{variable}{checksum(packed):3d} "
            data += label(time, level, variable, exponent, precision, field[0, 0]) + packed.tobytes()
    head = f"TEST{0:3d}{30:2d}" + "".join(f"{number:7.2f}" for number in GRID)
    head += f"{NX:3d}{NY:3d}{len(values):3d}{2:2d}{108 + len(listing):4d}{listing}"
    return label(time, 0, "INDX") + head.encode().ljust(NX * NY) + data


def wave(amplitude, offset):
    y, x = np.mgrid[0:NY, 0:NX]
    return offset + amplitude * np.sin(0.4 * x + 0.9 * y + offset)


@pytest.fixture
def written(tmp_path):
    fields = {(0, "PRSS"): wave(5.0, 1013.0), (1, "TEMP"): wave(3.0, 290.0), (2, "TEMP"): wave(2.0, 270.0)}
    path = tmp_path / "weather.arl"
    times = pd.date_range("2024-02-29T23", periods=3, freq="h")
    path.write_bytes(b"".join(period_bytes(time, fields, [1.0, 1000.0, 850.0]) for time in times))
    return path, fields


@given(st.integers(0, 2**32 - 1), st.integers(-9, 12), st.floats(-1e3, 1e3))
def test_unpacking_undoes_packing_to_half_a_step(seed, power, offset):
    field = offset + 2.0**power * np.random.default_rng(seed).standard_normal((6, 7))
    packed, exponent, _ = pack(field)
    assert np.abs(unpack(packed, exponent, field[0, 0], 0.0) - field).max() <= 0.501 * 2.0 ** (exponent - 7)


def test_values_smaller_than_the_precision_are_zero():
    packed = np.array([[127, 128, 129]], dtype=np.uint8)
    assert unpack(packed, 7, 0.5, 1.0).tolist() == [[0.0, 1.5, 3.5]]


@given(st.lists(st.integers(0, 255), max_size=60))
def test_checksum_is_the_rotating_sum(values):
    total = 0
    for value in values:
        total += value
        if total >= 256:
            total -= 255
    assert checksum(np.array(values, dtype=np.uint8)) == total


def test_index_lists_every_record_with_its_minutes(written):
    table = index(written[0])
    assert table["record"].tolist() == [1, 2, 3, 5, 6, 7, 9, 10, 11]
    assert table["time"].iloc[0] == np.datetime64("2024-02-29T23:30")
    assert table["time"].iloc[-1] == np.datetime64("2024-03-01T01:30")
    assert table["value"].tolist() == [1.0, 1000.0, 850.0] * 3
    assert table["variable"].tolist() == ["PRSS", "TEMP", "TEMP"] * 3


def test_every_record_is_read_to_its_precision(written):
    path, fields = written
    with path.open("rb") as stream:
        for period in periods(path):
            for number, field in enumerate(fields.values()):
                half_step = 2.0 ** (pack(field)[1] - 8)
                # the label holds eight digits of the first value
                assert np.abs(read_field(stream, period, number, path.name) - field).max() <= half_step + 1e-4


def damage(path, at, new):
    data = bytearray(path.read_bytes())
    data[at : at + len(new)] = new
    path.write_bytes(data)


def read_first(path, number=0):
    with path.open("rb") as stream:
        return read_field(stream, periods(path)[0], number, path.name)


@pytest.mark.parametrize("lost", [1, RECORD, 3 * RECORD + 200])
def test_a_truncated_file_is_refused(written, lost):
    path, _ = written
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(FormatError, match=r"weather.arl:record \d+: .*bytes its index promises.*truncated"):
        index(path)


def test_a_truncated_record_is_refused(written):
    path, _ = written
    period = periods(path)[2]
    path.write_bytes(path.read_bytes()[: 11 * RECORD + 70])
    with path.open("rb") as stream, pytest.raises(FormatError, match=r"weather.arl:record 11: .*truncated"):
        read_field(stream, period, 2, path.name)


def test_a_wrong_checksum_is_refused(written):
    path, _ = written
    good = path.read_bytes()[RECORD + 60]
    damage(path, RECORD + 60, bytes([good ^ 1]))
    with pytest.raises(FormatError, match=r"weather.arl:record 1: the bytes of PRSS on level 0 must add up"):
        read_first(path)


def test_a_record_out_of_place_is_refused(written):
    path, _ = written
    damage(path, 2 * RECORD + 14, b"UWND")
    with pytest.raises(FormatError, match=r"record 2: the record must be TEMP on level 1 .* got 'UWND on level 1"):
        read_first(path, 1)


def test_a_missing_field_is_refused(written):
    path, _ = written
    damage(path, RECORD + 8, b"-1")
    with pytest.raises(FormatError, match=r"record 1: the field must not be marked missing .* got 'PRSS'"):
        read_first(path)


def test_a_foreign_file_is_refused(tmp_path):
    for content in (b"", b"CDF\x01 not weather", bytes(400)):
        path = tmp_path / "foreign.arl"
        path.write_bytes(content)
        with pytest.raises(FormatError, match=r"foreign.arl:record 0: a time period must start with an INDX record"):
            index(path)
    with pytest.raises(InputError, match="the file must exist"):
        index(tmp_path / "none.arl")


def test_an_unreadable_index_is_refused(written):
    path, _ = written
    damage(path, 50 + 93, b" x1")
    with pytest.raises(FormatError, match="record 0: an index record must be text in its fixed columns"):
        index(path)


def test_an_unreadable_list_of_levels_is_refused(written):
    path, _ = written
    damage(path, 50 + 108, b"\xff")
    with pytest.raises(FormatError, match="record 0: an index record's list of levels must be text"):
        index(path)


def test_an_index_longer_than_its_record_is_refused(written):
    path, _ = written
    damage(path, 50 + 104, b"9999")
    with pytest.raises(FormatError, match="the index must fit in a record of 31 x 9 bytes; got 9999"):
        index(path)


def test_an_impossible_date_is_refused(written):
    path, _ = written
    damage(path, 0, b"23 229")
    with pytest.raises(TimeError, match="the label's date must exist; got '23 229"):
        index(path)


def test_letters_of_the_grid_count_thousands(written):
    path, _ = written
    damage(path, 12, b"A@")
    # the record is now 1031 x 9 bytes, far beyond the file's end
    with pytest.raises(FormatError, match=f"hold the {4 * (50 + 1031 * NY)} bytes"):
        index(path)


def test_periods_of_unequal_records_are_refused(written):
    path, _ = written
    damage(path, 4 * RECORD + 50 + 93, b" 32")
    with pytest.raises(FormatError, match=f"record 4: every record must have the {RECORD} bytes of the first"):
        index(path)


def test_years_above_40_are_of_the_last_century(written):
    path, _ = written
    damage(path, 0, b"96")
    assert periods(path)[0].time == np.datetime64("1996-02-29T23:30")
