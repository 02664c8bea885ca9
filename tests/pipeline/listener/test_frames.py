"""Frames: one piece or many give the same, every byte is told once, the reader agrees on what is a message."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from micro_files import hour, packet

from pipeline.ingest.formats import hj212
from pipeline.listener import Framer, answer
from pipeline.listener.frames import CHECKSUM, CUT, NO_PACKET, TOO_LONG

GOOD = [hour(8, "431.2").rstrip(), hour(9, "1").rstrip(), b"##0000FFFF"]
BROKEN = [
    GOOD[0][:-4] + b"0000", GOOD[1][:40], b"##", b"#", b"##12", b"##0003a##FFFF", b"##0002ab#", b"\r\n", b"\xff\x00",
    b"GET / HTTP/1.1\r\n\r\n", b"##9999", GOOD[0][2:], b"x" * 1500,
]  # fmt: skip
streams = st.lists(st.one_of(st.sampled_from(GOOD + BROKEN), st.binary(max_size=9)), max_size=12).map(b"".join)


def frames(*pieces, longest=1024):
    framer = Framer(longest)
    found = [frame for piece in pieces for frame in framer.feed(piece)]
    return [(frame.raw, frame.reason) for frame in [*found, *framer.end()]]


def messages(found):
    return [raw for raw, reason in found if not reason]


@settings(max_examples=150, deadline=None)
@given(streams, st.lists(st.integers(0, 4000), max_size=6))
def test_messages_do_not_depend_on_how_the_stream_is_split(stream, cuts):
    at = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(at)]
    whole = messages(frames(stream))
    assert messages(frames(*pieces)) == whole
    assert messages(frames(*(bytes([byte]) for byte in stream))) == whole


@settings(max_examples=150, deadline=None)
@given(streams)
def test_every_byte_but_line_ends_is_told_once(stream):
    told = b"".join(raw for raw, _ in frames(stream))
    assert told.translate(None, b"\r\n") == stream.translate(None, b"\r\n")


@settings(max_examples=150, deadline=None)
@given(streams)
def test_what_is_a_message_here_is_one_for_the_reader_of_the_files(stream):
    taken = messages(frames(stream, longest=9999))
    text = b"".join(raw + b"\r\n" for raw in taken)
    read = list(hj212.packets(text))
    assert [text[one.place : one.end] for one in read] == taken
    assert not any(one.reason for one in read)
    # nor does the reader find more in the stream itself
    theirs = [stream[one.place : one.end] for one in hj212.packets(stream) if not one.reason]
    assert [one for one in theirs if one not in taken] == []


def test_after_garbage_the_next_message_is_found():
    found = frames(b"noise" + GOOD[0] + b"##0114" + GOOD[1] + b"\r\n##0004abcd0000" + GOOD[0])
    assert [reason for _, reason in found] == [NO_PACKET, "", CUT, "", CHECKSUM, ""]
    assert messages(found) == [GOOD[0], GOOD[1], GOOD[0]]


def test_a_message_longer_than_allowed_is_refused_whole_and_the_next_is_taken():
    long = packet("a" * 1000).rstrip()
    assert frames(long, GOOD[0]) == [(long, TOO_LONG), (GOOD[0], "")]
    assert frames(long, GOOD[0], longest=2000) == [(long, ""), (GOOD[0], "")]


def test_what_is_held_is_bounded_whatever_comes():
    for endless in (b"x", b"##9999", b"#", b"##0010a", b"##1"):
        framer = Framer()
        for _ in range(3000):
            list(framer.feed(endless))
            assert len(framer._held) < 10_100


def test_an_answer_is_a_packet_with_the_messages_qn_given_only_to_who_asked():
    asked = packet("x", flag=5)[6:-6]
    (one,) = hj212.packets(answer(asked))
    assert one.data == "QN=20240701090105000;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&"
    assert answer(packet("x", flag=4)[6:-6]) is None
    for odd in ("flag", "5;", "", "999999999", "-1"):
        assert answer(packet("x", flag=odd)[6:-6].replace(b"Flag=5;", b"Flag=")) is None
    for name in ("../../etc", "a&&b", "\x1b[2J", "x" * 41):
        assert answer(packet("x", flag=5, mn=name)[6:-6]) is None
    assert answer(b"ST=22;Flag=5;CP=&&&&") is None
