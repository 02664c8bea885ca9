"""An archive is unpacked whole or refused whole; whatever it holds, nothing is written beside its folder."""

import io
import random
import stat
import struct
import tarfile
import zipfile

import pytest

from pipeline import cli
from pipeline.errors import FormatError, InputError
from pipeline.ingest import archives
from pipeline.ingest.archives import unpack_archive

FILES = {"b.csv": b"when,co2\n", "A-1_x.nc": bytes(range(256)) * 3, "empty.dat": b""}


def make_zip(path, members=FILES, *, mode=None, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as out:
        for name, data in dict(members).items():
            info = zipfile.ZipInfo(name)
            info.compress_type = packing
            info.external_attr = (mode or 0) << 16
            out.writestr(info, data)
    return path


def make_tar(path, members=FILES, *, mode="w", change=lambda info: info, **how):
    with tarfile.open(path, mode, **how) as out:
        for name, data in dict(members).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(change(info), io.BytesIO(data))
    return path


def tar_gz(path, members=FILES):
    return make_tar(path, members, mode="w:gz")


def pax_tar(path, members=FILES):
    def with_header(info):
        info.pax_headers = {"mtime": "1720000000.5", "comment": "站"}
        return info

    return make_tar(path, members, change=with_header, format=tarfile.PAX_FORMAT)


MAKERS = [make_zip, make_tar, tar_gz, pax_tar]


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def assert_refused(archive, rule, kind=FormatError):
    before = everything(archive.parent)
    with pytest.raises(kind, match=rule):
        unpack_archive(archive, archive.parent / "out")
    # the folder, and not a byte in it
    assert everything(archive.parent) == sorted({*before, "out"})


@pytest.mark.parametrize("make", MAKERS)
def test_plain_files_come_out_as_they_are(tmp_path, make):
    archive = make(tmp_path / "a")
    found = unpack_archive(archive, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in found} == FILES
    assert everything(tmp_path / "out") == sorted(FILES)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "name",
    ["../up.csv", "/tmp/absolute.csv", "folder/a.csv", "..", "a\\b.csv", ".hidden", "-option", "a b", "站.csv",
     "a\u202eb", "a\nb", "a" * 200, "C:a.csv"],
)  # fmt: skip
def test_a_name_that_is_not_plain_refuses_the_archive(tmp_path, make, name):
    assert_refused(make(tmp_path / "a", {"fine.csv": b"1", name: b"2"}), "names in an archive must be plain")


@pytest.mark.parametrize("make", MAKERS)
def test_names_that_are_one_without_case_refuse_the_archive(tmp_path, make):
    archive = make(tmp_path / "a", {"a.csv": b"1", "A.CSV": b"2"})
    assert_refused(archive, r"differ by more than case; got 'a.csv and A.CSV'")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_refuses_the_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a", "w") as out:
        out.writestr("a.csv", "1")
        out.writestr("a.csv", "2")
    assert_refused(tmp_path / "a", "differ by more than case")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE,
             tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE],
)  # fmt: skip
def test_a_member_of_a_tar_that_is_no_plain_file_refuses_it(tmp_path, kind):
    def change(info):
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0
        return info

    assert_refused(make_tar(tmp_path / "a", {"a.csv": b""}, change=change), "must hold plain files only; got 'a.csv: ")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_member_of_a_zip_that_is_no_plain_file_refuses_it(tmp_path, mode):
    archive = make_zip(tmp_path / "a", {"a.csv": b"/etc/passwd"}, mode=mode | 0o777)
    assert_refused(archive, "must hold plain files only; got 'a.csv: a link or a device'")


def test_other_packings_and_secrets_of_a_zip_refuse_it(tmp_path):
    assert_refused(make_zip(tmp_path / "a", packing=zipfile.ZIP_LZMA), "packed in another way than deflate")
    archive = make_zip(tmp_path / "b")
    content = bytearray(archive.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1
    archive.write_bytes(content)
    assert_refused(archive, "b.csv: encrypted")


@pytest.mark.parametrize("inner", [make_zip, make_tar, tar_gz])
@pytest.mark.parametrize("make", [make_zip, tar_gz])
def test_an_archive_in_an_archive_refuses_it(tmp_path, inner, make):
    content = inner(tmp_path / "inner").read_bytes()
    (tmp_path / "inner").unlink()
    archive = make(tmp_path / "a", {"plain.csv": b"1", "nothing.csv": content})
    assert_refused(archive, "must hold data files only; got 'nothing.csv: an archive'")


@pytest.mark.parametrize("make", [make_zip, tar_gz])
def test_a_bomb_is_refused_by_its_ratio(tmp_path, make):
    archive = make(tmp_path / "a", {"zeros.csv": bytes(50_000_000)})
    assert archive.stat().st_size < 100_000
    assert_refused(archive, "must unpack to at most 2 GB and 100 times its size")


@pytest.mark.parametrize("make", MAKERS)
def test_size_and_number_of_files_are_bounded(tmp_path, make, monkeypatch):
    archive = make(tmp_path / "a", {f"{i}.csv": random.Random(i).randbytes(1000) for i in range(20)})
    monkeypatch.setattr(archives, "MOST_MEMBERS", 19)
    assert_refused(archive, "at most 19 files")
    monkeypatch.setattr(archives, "MOST_MEMBERS", 20)
    monkeypatch.setattr(archives, "MOST_BYTES", 19_999)
    assert_refused(archive, "must unpack to at most")
    monkeypatch.setattr(archives, "MOST_BYTES", 20_000)
    assert len(unpack_archive(archive, tmp_path / "out")) == 20


def test_a_header_larger_than_any_true_one_is_not_read(tmp_path):
    with tarfile.open(tmp_path / "a", "w", format=tarfile.GNU_FORMAT) as out:
        # a name of a gigabyte is announced
        info = tarfile.TarInfo("././@LongLink")
        info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
        out.fileobj.write(info.tobuf())
    with (tmp_path / "a").open("ab") as stream:
        stream.truncate((1 << 30) + 4096)
    assert_refused(tmp_path / "a", "a header or a directory of the archive is larger than any true one")
    archive = make_zip(tmp_path / "b")
    content = bytearray(archive.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    struct.pack_into("<II", content, end + 12, 1 << 30, 0)
    archive.write_bytes(bytes(1 << 21) + content)
    assert_refused(archive, "an archive must hold a file|must be whole zip, tar or tar.gz")
    archive.write_bytes(content)
    assert_refused(archive, "must be whole zip, tar or tar.gz")


@pytest.mark.parametrize("make", MAKERS)
def test_an_archive_cut_or_changed_anywhere_is_whole_or_refused(tmp_path, make):
    archive = make(tmp_path / "a")
    whole = archive.read_bytes()
    rng = random.Random(7)
    refused = 0
    for trial in range(80):
        is_cut = trial % 2 == 0
        changed = bytearray(whole[: rng.randrange(len(whole))] if is_cut else whole)
        if not is_cut:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        archive.write_bytes(changed)
        folder = tmp_path / f"out{trial}"
        try:
            found = unpack_archive(archive, folder)
        except FormatError:
            refused += 1
            assert everything(folder) == []
        else:
            assert len(found) == len(FILES)
            # a tar has no checksum of its data, so a changed byte of them shows nowhere
            if is_cut or make is not make_tar:
                assert sum(path.read_bytes() == FILES.get(path.name) for path in found) >= len(FILES) - (not is_cut)
    assert refused > 10


def test_no_file_is_replaced(tmp_path):
    archive = make_zip(tmp_path / "a")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "B.csv").write_text("ours")
    with pytest.raises(InputError, match=r"must not replace a file; got \['b.csv'\]"):
        unpack_archive(archive, tmp_path / "out")
    assert everything(tmp_path / "out") == ["B.csv"]


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a").write_text("when,co2\n")
    assert_refused(tmp_path / "a", "must be whole zip, tar or tar.gz")
    with pytest.raises(InputError, match="the archive must exist"):
        unpack_archive(tmp_path / "none", tmp_path / "out")


def test_the_command_says_how_many(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_zip(tmp_path / "a.zip")
    cli.app(["ingest", "unpack", "a.zip", "out"], result_action="return_value")
    assert capsys.readouterr().out == "3 file(s) in out\n"
