"""The pieces in order: each made unless it stands as it would be made now, then the index of all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.evidence import cases, coverage, growth, information, parity, weeks
from benchmarks.evidence.desk import Desk
from benchmarks.evidence.index import write_index
from benchmarks.evidence.record import Record, code_digest, commit, folder_digest
from benchmarks.evidence.sizes import Size
from pipeline.errors import InputError

#: where the records stand, under the folder of the evidence and under the work folder
RECORDS = "records"


@dataclass(frozen=True)
class Piece:
    """One piece of the evidence.

    Parameters
    ----------
    name
        What it is asked for by.
    make
        Makes it.
    needs
        Files and folders of real inputs, under the shared folder.
    """

    name: str
    make: Callable[[Desk], None]
    needs: tuple[str, ...] = ()


PIECES = (
    Piece("weeks", weeks.make),
    Piece("coverage", coverage.make),
    Piece("information", information.make),
    Piece("growth", growth.make),
    Piece("parity", parity.make, parity.NEEDS),
    Piece("tacolneston", cases.tacolneston, cases.TACOLNESTON),
    Piece("bowen", cases.bowen, cases.BOWEN),
)


def rebuild(
    folder: Path,
    work: Path,
    size: Size,
    names: Sequence[str] = (),
    *,
    shared: Path,
    again: bool = False,
    tell: Callable[[str], None] = print,
) -> list[Record]:
    """Make pieces and write the index; return the records of all pieces that there are.

    Parameters
    ----------
    folder
        Where pictures, tables, records and the index go.
    work
        Where simulated worlds stand, and what says that a piece is done: a fresh one rebuilds everything.
    size
        How large everything is.
    names
        Of the pieces; all when none is given.
    shared
        Folder of real inputs. A piece whose inputs are not there is not made, and the index says so.
    again
        Whether pieces that stand are made all the same.

    Raises
    ------
    InputError
        For a piece that there is not.
    """
    known = [piece.name for piece in PIECES]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError("pieces must be known", got=unknown, remedy=f"choose among {known}", where="PIECE")
    folder.mkdir(parents=True, exist_ok=True)
    for piece in PIECES:
        if names and piece.name not in names:
            continue
        tell(f"{piece.name}: {_bring(piece, folder, work, size, shared, again)}")
        # after each, so that the page is true of a rebuild that is stopped
        write_index(folder, _records(folder, known), known)
    return _records(folder, known)


def _records(folder: Path, names: list[str]) -> list[Record]:
    return [one for name in names if (one := Record.read(_path(folder, name))) is not None]


def _path(folder: Path, name: str) -> Path:
    return folder / RECORDS / f"{name}.json"


def _bring(piece: Piece, folder: Path, work: Path, size: Size, shared: Path, again: bool) -> str:
    """Bring one piece up to date and return what was done."""
    path, mark = _path(folder, piece.name), _path(work, piece.name)
    missing = [name for name in piece.needs if not (shared / name).exists()]
    if missing:
        old = Record.read(path) or Record(piece.name, _command(piece, size), size.name)
        old.absent = f"{', '.join(missing)} absent from shared/"
        old.write(path)
        return f"not rebuilt: {old.absent}"
    fresh = Record(piece.name, _command(piece, size), size.name, commit=commit(), code=code_digest())
    fresh.inputs = {f"shared/{name}": folder_digest(shared / name) for name in piece.needs}
    if not again and _is_done(fresh, path, mark, folder):
        return "stands as it would be made now"
    began = time.monotonic()
    piece.make(Desk(folder, work, size, shared, fresh))
    fresh.seconds = round(time.monotonic() - began, 1)
    fresh.made = datetime.now(UTC).strftime("%Y-%m-%d")
    for record in (path, mark):
        fresh.write(record)
    return f"made in {fresh.seconds:.0f} s"


def _is_done(fresh: Record, path: Path, mark: Path, folder: Path) -> bool:
    """Return whether this work folder has made just this before, and it is still what stands in the folder."""
    done, there = Record.read(mark), Record.read(path)
    if done is None or there is None or asdict(done) != asdict(there):
        return False
    same = (fresh.size, fresh.version, fresh.code) == (done.size, done.version, done.code)
    return same and fresh.inputs.items() <= done.inputs.items() and done.stands(folder)


def _command(piece: Piece, size: Size) -> str:
    quick = " --quick" if size.name == "quick" else ""
    return f"python -m benchmarks.evidence docs/evidence{quick} {piece.name}"
