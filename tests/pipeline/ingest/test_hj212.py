"""HJ 212 messages: every packet has one outcome, and a broken one costs no other."""

import time

import numpy as np
import pytest
from micro_files import NAME, hour, packet
from station_files import feed, registry

from pipeline.errors import ConfigError, FormatError, InputError
from pipeline.hj212 import checksum
from pipeline.ingest.formats import hj212
from pipeline.ingest.formats.samples import HOUR, MINUTE
from pipeline.ingest.stations import read_station
from pipeline.settings import StationSettings, validated
from pipeline.units import species

CO2 = species("co2")
DECLARED = {"mn": NAME, "factor": "a05001", "unit": "ppm"}


def declared(**changes):
    return feed("hj212", hj212=DECLARED | changes)


def read(folder, *parts, **changes):
    (folder / "a.txt").write_bytes(b"".join(parts))
    return hj212.read(folder / "a.txt", declared(**changes), CO2)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # appendix C of the standard, and two messages published with other people's readers
        ("QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&",
         "1C80"),
        ("QN=20231008123340461;ST=22;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&"
         "DataTime=20231008123340;w01008-SampleTime=20231008123340,w01008-Rtd=123.456&&", "F441"),
        ("QN=20160801085857223;ST=23;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&"
         "DataTime=20160801085857; LA-Rtd=50.1&&", "1E00"),
    ],
)  # fmt: skip
def test_the_checksum_is_that_of_published_messages(data, expected):
    assert f"{checksum(data.encode()):04X}" == expected


def test_the_checksum_by_table_is_the_standards_loop():
    rng = np.random.default_rng(1)
    for length in (0, 1, 2, 500):
        data = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
        register = 0xFFFF
        for byte in data:
            register = (register >> 8) ^ byte
            for _ in range(8):
                check = register & 1
                register >>= 1
                if check:
                    register ^= 0xA001
        assert checksum(data) == register


def test_hours_are_read_with_the_status_letter(tmp_path):
    found = read(tmp_path, hour(8, "431.2"), hour(9, "432.25"), hour(10, "900.0", "D"))
    assert found.value.tolist() == [431.2, 432.25, 900.0]
    assert found.reason.tolist() == ["", "", "status D"]
    assert found.time[0] == np.datetime64("2024-07-01T08:00")
    assert (found.unit, found.interval, found.zone, found.marks) == ("ppm", HOUR, None, None)
    assert found.notes == ()


def test_every_letter_but_n_is_told_and_none_is_used(tmp_path):
    found = read(tmp_path, *(hour(number, "430", letter) for number, letter in enumerate("NFMSDCTB")))
    assert found.reason.tolist() == ["", *(f"status {letter}" for letter in "FMSDCTB")]
    bare = packet("DataTime=20240701080000;a05001-Avg=430")
    assert read(tmp_path, hour(8, "430"), bare).reason.tolist() == ["", "no status letter"]


def test_of_several_letters_the_gravest_stands():
    order = hj212.LETTERS
    assert order == "NFMSDCTB"
    for i, one in enumerate(order):
        for other in order[i:]:
            assert hj212.gravest(one + other) == hj212.gravest(other + one) == other


def test_a_letter_that_is_none_of_the_standards_is_the_gravest(tmp_path):
    for unknown in "Xn7":
        for known in hj212.LETTERS:
            assert hj212.gravest(known + unknown) == hj212.gravest(unknown + known) == unknown
    found = read(tmp_path, hour(8, "430", "NX"), hour(9, "430", "XN"), hour(10, "430", "X"), hour(11, "430"))
    assert found.reason.tolist() == ["status X"] * 3 + [""]


def test_a_changed_byte_costs_its_packet_and_no_other(tmp_path):
    good = [hour(number, f"{430 + number}") for number in range(3)]
    broken = good[1].replace(b"431", b"437")
    found = read(tmp_path, good[0], broken, good[2])
    assert found.value[[0, 2]].tolist() == [430, 432]
    assert found.reason.tolist() == ["", "packet's checksum wrong", ""]
    assert np.isnat(found.time[1])
    assert found.notes == (f"packet's checksum wrong at byte {len(good[0])}",)


@pytest.mark.parametrize("kept", [1, 5, 6, 20, 100])
def test_a_cut_packet_costs_itself_wherever_it_is_cut(tmp_path, kept):
    first, second, third = (hour(number, f"{430 + number}") for number in range(3))
    found = read(tmp_path, first, second[:kept], third)
    usable = found.reason == ""
    assert found.value[usable].tolist() == [430, 432]
    # with fewer than ## and four digits nothing says that a packet began
    assert found.reason[~usable].tolist() == ([] if kept < 6 else ["packet cut short"])
    assert len(found.notes) == 1
    assert str(len(first)) in found.notes[0]


def test_a_packet_cut_at_the_end_of_the_file_is_told(tmp_path):
    found = read(tmp_path, hour(0, "430"), hour(1, "431")[:-8])
    assert found.reason.tolist() == ["", "packet cut short"]


def test_a_wrong_length_costs_its_packet_and_no_other(tmp_path):
    good = [hour(number, f"{430 + number}") for number in range(3)]
    for wrong in (b"9999", b"0001"):
        found = read(tmp_path, good[0], good[1][:2] + wrong + good[1][6:], good[2])
        assert found.value[found.reason == ""].tolist() == [430, 432]
        assert (found.reason != "").sum() == 1


def test_what_lies_between_packets_is_passed_over_and_counted(tmp_path):
    noise = b"\0\xff#GET / HTTP/1.1 ##ab #"
    found = read(tmp_path, noise, hour(0, "430")[:-2], hour(1, "431"), b"\n\n", noise, hour(2, "432"))
    assert found.value.tolist() == [430, 431, 432]
    assert (found.reason == "").all()
    assert found.notes == (f"{2 * len(noise)} bytes that are no packet, the first at byte 0",)


def test_a_message_in_several_packets_is_one_row(tmp_path):
    one = packet("DataTime=20240701080000;a34004-Avg=21,a34004-Flag=N", flag=7, parts="PNUM=2;PNO=1;")
    two = packet("a05001-Avg=431.2,a05001-Flag=N", flag=7, parts="PNUM=2;PNO=2;")
    for order in ((one, two), (two, one), (one, hour(9, "432"), two)):
        found = read(tmp_path, *order)
        mine = found.time == np.datetime64("2024-07-01T08:00")
        assert found.value[mine].tolist() == [431.2]
        assert (found.reason == "").all()
    assert read(tmp_path, hour(9, "432"), one).reason.tolist() == ["", "1 of 2 packets of the message"]
    assert read(tmp_path, one, mn="B2").reason.tolist() == [f"other station {NAME}"]


def test_a_message_that_claims_a_billion_packets_costs_nothing(tmp_path):
    huge = packet("DataTime=20240701080000;a05001-Avg=431,a05001-Flag=N", flag=6, parts="PNUM=999999999;PNO=1;")
    assert read(tmp_path, huge).reason.tolist() == ["1 of 999999999 packets of the message"]
    odd = packet("DataTime=20240701080000;a05001-Avg=431,a05001-Flag=N", flag=6, parts="PNUM=2;PNO=3;")
    assert read(tmp_path, odd).reason.tolist() == ["1 of 2 packets of the message"]
    assert read(tmp_path, odd, odd.replace(b"PNO=3", b"PNO=1")).reason.tolist()[-1] == "packet's checksum wrong"
    long = packet("DataTime=20240701080000;a05001-Avg=431,a05001-Flag=N", flag=6, parts=f"PNUM={'9' * 5000};PNO=1;")
    assert read(tmp_path, long).value.tolist() == [431]


def test_claims_of_length_are_not_believed_at_great_cost(tmp_path):
    began = time.perf_counter()
    found = read(tmp_path, b"##9999" * 100_000, hour(1, "431"))
    assert found.value[-1] == 431
    assert (found.reason == "packet cut short").sum() == 100_000
    # a checksum over each claim would be a billion steps
    assert time.perf_counter() - began < 60


def test_letters_of_a_factor_in_two_packets_are_put_together(tmp_path):
    parts = [
        packet(f"DataTime=20240701080000;a05001-Avg=431,a05001-Flag={letter}", flag=6, parts=f"PNUM=2;PNO={n};")
        for n, letter in ((1, "N"), (2, "C"))
    ]
    assert read(tmp_path, *parts).reason.tolist() == ["status C"]
    other = parts[0], packet("a05001-Avg=432,a05001-Flag=N", flag=6, parts="PNUM=2;PNO=2;")
    assert read(tmp_path, *other).reason.tolist() == ["two values in one message"]


def test_messages_of_others_say_whose_they_are(tmp_path):
    found = read(
        tmp_path, hour(8, "431"), hour(8, "500", mn="B2"), hour(8, "502", cn="2051"),
        packet("DataTime=20240701090000;a34004-Avg=21,a34004-Flag=N"), packet("DataTime=x;a05001-Avg=4,a05001-Flag=N"),
        hour(9, "4x1"), packet("").replace(b"CP=", b"cp="),
    )  # fmt: skip
    assert found.reason.tolist() == [
        "", "other station B2", "command 2051, not 2061", "factor not in the message", "unreadable time",
        "unreadable number", "packet's checksum wrong",
    ]  # fmt: skip


@pytest.mark.parametrize(("data", "field"), [("2011", "Rtd"), ("2051", "Avg")])
def test_the_command_says_which_field_holds_the_value(tmp_path, data, field):
    body = "DataTime=20240701080100;a05001-Min=1,a05001-Rtd=2,a05001-Avg=3,a05001-Max=4,a05001-Flag=N"
    found = read(tmp_path, packet(body, cn=data), data=data, minutes=1)
    assert found.value.tolist() == [{"Rtd": 2, "Avg": 3}[field]]
    assert found.interval == MINUTE


def test_a_file_without_a_packet_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"a\.txt: the file must hold a packet, ## and four digits; got 'none in 5"):
        read(tmp_path, b"hello")
    with pytest.raises(InputError, match="the file must exist"):
        hj212.read(tmp_path / "b.txt", declared(), CO2)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"hj212": {"mn": "A", "unit": "ppm"}}, r"hj212\.factor: required"),
        ({"hj212": DECLARED | {"data": "2051"}}, "minutes must be given for data 2011 and 2051"),
        ({"hj212": DECLARED | {"minutes": 5}}, "minutes must be given for data 2011 and 2051"),
        ({}, "format hj212 and the section hj212 go together"),
    ],
)
def test_what_a_feed_of_messages_must_declare(changes, rule):
    given = {"id": "ABC", "format": "hj212", "files": ["*"], "height": 5, "representation_error": 1.0} | changes
    with pytest.raises(ConfigError, match=rule):
        validated(StationSettings, given)


def test_hours_of_beijing_labelled_at_their_end_become_utc(tmp_path):
    table = registry(tmp_path, station_class="micro", zone="Asia/Shanghai", hour_label="end", uncertainty="co2:1.6")
    broken = hour(11, "431").replace(b"a05001", b"a05002")
    path = tmp_path / "a.txt"
    path.write_bytes(b"".join([hour(8, "430.5"), hour(9, "431.5"), hour(10, "999", "B"), broken, hour(9, "431.5")]))
    found, told = read_station(path, declared(), CO2, table)
    assert found["value"].values.tolist() == [430.5, 431.5]
    # 8 o'clock in Beijing is midnight of UTC, and ends the hour before
    assert found["time"].values.tolist() == [
        np.datetime64(t, "ns").astype(int) for t in ("2024-06-30T23", "2024-07-01")
    ]
    assert set(found["platform"].values) == {"micro"}
    assert told.rows == {
        "used": 2, "duplicate time, same value": 1, "packet's checksum wrong": 1, "status B": 1,
    }  # fmt: skip
