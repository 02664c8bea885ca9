"""What a disk may hold after the power fails, from a trace of the calls that changed a folder.

    outcome = harness.run("payloads:publish", {"folder": str(folder)}, folder=folder, data=True)
    for state in crash_states(before, outcome.calls, after=folder, into=tmp_path / "states"):
        ...  # start again in state.folder; state.after calls had returned

The model is that of ext4 and XFS, on the careful side:

- Changes of names (create, rename, link, unlink, mkdir, rmdir) reach the disk one by one in the order made: a crash
  undoes the last few. An fsync of a folder, syncfs and sync hold those made so far; an fsync of a file does not.
- What is written reaches the disk page by page in any order, whatever the names do, until an fsync of its file: a file
  may be there and empty, short, or with pages of zeros in between. There is no flush at a rename (`noauto_da_alloc`).
- New lengths by truncation reach the disk in order, before what is written after them.

An acknowledged fsync is believed. Not modelled: O_TMPFILE, files moved in from elsewhere, modes and times.
"""

import fnmatch
import hashlib
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syscall_faults import every
from syscall_table import OPENS, RESIZES, WRITES, Call

_PAGE = 4096
_EXCHANGE = 2
#: choices at each point besides random ones: the least, all names and no data, what a kill leaves
_LEAST, _NAMES, _ALL = -1, -2, -3


@dataclass(eq=False)
class _File:
    #: what is on disk for sure, and what was done since: (offset, bytes), or (length, None)
    kept: bytes | Path = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def content(self, since: Sequence[tuple[int, bytes | None]]) -> bytes:
        found = bytearray(self.kept.read_bytes() if isinstance(self.kept, Path) else self.kept)
        for offset, text in since:
            size = offset if text is None else max(len(found), offset + len(text))
            found = found[:size].ljust(size, b"\0")
            if text is not None:
                found[offset : offset + len(text)] = text
        return bytes(found)

    def sync(self) -> None:
        if self.since:
            self.kept, self.since = self.content(self.since), []


@dataclass(eq=False)
class _Link:
    target: bytes


@dataclass(eq=False)
class _Folder:
    #: names before the first call, and now
    first: dict[str, "_Node"] = field(default_factory=dict)
    now: dict[str, "_Node"] = field(default_factory=dict)


_Node = _File | _Link | _Folder
#: by path, with the identity of a file; a Path is a file as it was before
_Contents = dict[str, tuple[int, bytes | Path | None]]


@dataclass(frozen=True)
class State:
    """What is found after a crash; the folder is removed when the next state is asked for.

    Parameters
    ----------
    after
        Calls that had returned.
    told
        In words.
    """

    folder: Path
    after: int
    told: str


@dataclass(frozen=True)
class _Choice:
    after: int
    variant: int


class _Disk:
    """The names and files of a folder as the calls change them."""

    def __init__(self, before: Path) -> None:
        self._links: dict[tuple[int, int], _File] = {}
        self.root = self._read(before)
        self.files = list(self._links.values())
        #: by inode, as opened last
        self.opened: dict[int | None, _Node] = {}
        #: changes of names, each of one or more (folder, name, what it then names or None)
        self.named: list[list[tuple[_Folder, str, _Node | None]]] = []
        #: how many of these are on disk for sure
        self.held = 0

    def _read(self, path: Path) -> _Folder:
        names: dict[str, _Node] = {}
        for entry in os.scandir(path):
            if entry.is_symlink():
                names[entry.name] = _Link(os.fsencode(os.readlink(entry.path)))
            elif entry.is_dir():
                names[entry.name] = self._read(Path(entry.path))
            elif entry.is_file():
                told = entry.stat()
                names[entry.name] = self._links.setdefault((told.st_dev, told.st_ino), _File(Path(entry.path)))
        return _Folder(names, dict(names))

    def _at(self, path: str) -> tuple[_Folder, str]:
        """Return the folder of a path, and its name there."""
        assert not path.startswith("/"), f"{path} lies elsewhere: not modelled"
        folder, (*above, name) = self.root, path.split("/")
        for step in above:
            inner = folder.now[step]
            assert isinstance(inner, _Folder)
            folder = inner
        return folder, name

    def _node(self, path: str) -> _Node | None:
        if path == ".":
            return self.root
        try:
            folder, name = self._at(path)
        except KeyError:
            return None
        return folder.now.get(name)

    def _behind(self, call: Call) -> _Node | None:
        """Return what a handle is open on; it may have another name left when that of its opening is gone."""
        if call.path.endswith(" (deleted)"):
            return self.opened.get(call.inode)
        return self._node(call.path)

    def _name(self, *changes: tuple[_Folder, str, _Node | None]) -> None:
        self.named.append(list(changes))
        for folder, name, node in changes:
            if node is None:
                del folder.now[name]
            else:
                folder.now[name] = node

    def apply(self, call: Call) -> None:
        """Do what a call did; nothing when it failed or was never over."""
        if call.result is None or call.result < 0:
            return
        if call.name in {"sync", "syncfs"}:
            self.held = len(self.named)
            for file in self.files:
                file.sync()
        elif call.name in {"fsync", "fdatasync"}:
            node = self._behind(call)
            if isinstance(node, _Folder):
                self.held = len(self.named)
            elif isinstance(node, _File):
                node.sync()
        elif call.name in OPENS:
            self._open(call)
        elif call.name in WRITES | RESIZES:
            self._write(call)
        else:
            self._rename(call)

    def _open(self, call: Call) -> None:
        flags = os.O_CREAT | os.O_TRUNC if call.name == "creat" else call.flags
        assert flags & os.O_TMPFILE != os.O_TMPFILE, "O_TMPFILE is not modelled"
        node = self._node(call.path)
        if node is None:
            assert flags & os.O_CREAT, f"{call.path} is opened and not there: changed from outside?"
            self.files.append(made := _File())
            self._name((*self._at(call.path), made))
            node = made
        elif flags & os.O_TRUNC and isinstance(node, _File):
            node.since.append((0, None))
        self.opened[call.inode] = node

    def _write(self, call: Call) -> None:
        node = self._behind(call)
        assert isinstance(node, _File), f"{call.path} is written and not there: changed from outside?"
        assert call.data is not None, "run with data=True"
        if call.length is not None:
            node.since.append((call.length, None))
        if call.data:
            node.since.append((call.offset or 0, bytes.fromhex(call.data)))
        if call.sync:
            node.sync()

    def _rename(self, call: Call) -> None:
        if call.name.startswith("mkdir"):
            self._name((*self._at(call.path), _Folder()))
        elif call.name.startswith("symlink"):
            self._name((*self._at(call.path), _Link(bytes.fromhex(call.data or ""))))
        elif call.name.startswith(("unlink", "rmdir")):
            self._name((*self._at(call.path), None))
        elif call.name.startswith(("link", "rename")):
            node, to = self._node(call.path), call.to or ""
            assert node is not None, f"{call.path} is not there, or lies elsewhere: not modelled"
            if call.name.startswith("link"):
                self._name((*self._at(to), node))
            elif call.flags & _EXCHANGE:
                self._name((*self._at(call.path), self._node(to)), (*self._at(to), node))
            elif to.startswith("/"):
                self._name((*self._at(call.path), None))
            elif node is not self._node(to):  # two names of one file stay as they are
                self._name((*self._at(call.path), None), (*self._at(to), node))
        else:
            raise AssertionError(f"{call.name} is not modelled")

    def contents(self, choice: _Choice, seed: int) -> tuple[_Contents, str]:
        """Return what a crash leaves now, by path: for a file (its node, its bytes), and that in words."""
        chance = random.Random(f"{seed} {choice}")
        cut = {_LEAST: self.held, _NAMES: len(self.named), _ALL: len(self.named)}.get(choice.variant)
        cut = chance.randint(self.held, len(self.named)) if cut is None else cut
        names: dict[_Folder, dict[str, _Node]] = {}
        for changes in self.named[:cut]:
            for folder, name, node in changes:
                there = names.setdefault(folder, dict(folder.first))
                there.pop(name, None)
                if node is not None:
                    there[name] = node
        lost = {file: file.content(_survivors(file, choice.variant, chance)) for file in self.files if file.since}
        found: _Contents = {}

        def walk(folder: _Folder, prefix: str) -> None:
            for name, node in sorted(names.get(folder, folder.first).items()):
                path = f"{prefix}{name}"
                if isinstance(node, _Folder):
                    found[f"{path}/"] = (0, None)
                    walk(node, f"{path}/")
                elif isinstance(node, _Link):
                    found[path] = (0, node.target)
                else:
                    found[path] = (id(node), lost.get(node, node.kept))

        walk(self.root, "")
        what = {_LEAST: "no unsynced change", _NAMES: "all names, no unsynced data", _ALL: "every change"}
        kept = what.get(choice.variant, f"random {choice.variant}, seed {seed}")
        return found, f"after {choice.after} calls: {kept}; {cut - self.held} of {len(self.named) - self.held} names"


def _survivors(file: _File, variant: int, chance: random.Random) -> list[tuple[int, bytes | None]]:
    """Return what of a file's unsynced changes has reached the disk."""
    if variant in {_LEAST, _NAMES}:
        # a truncation is no data: it may come through alone
        return [one for one in file.since if one[1] is None] if variant == _NAMES else []
    if variant == _ALL:
        return file.since
    share, upto = chance.choice((0.0, 0.5, 0.9, 1.0)), chance.randint(0, len(file.since))
    found: list[tuple[int, bytes | None]] = []
    for offset, text in file.since[:upto]:
        if text is None:
            found.append((offset, None))
            continue
        start = 0
        while start < len(text):
            end = min(len(text), start + _PAGE - (offset + start) % _PAGE)
            if chance.random() < share:
                found.append((offset + start, text[start:end]))
            start = end
    return found


def crash_states(
    before: Path,
    calls: Sequence[Call],
    *,
    after: Path,
    into: Path,
    most: int = 200,
    seed: int = 0,
    ignore: Sequence[str] = (),
) -> Iterator[State]:
    """Yield what the folder may be after a crash at any point of a trace; at most so many states, spread evenly.

    Those that lose most or nothing come before random ones: `most` of three times the calls holds them all.

    Parameters
    ----------
    before
        Copy of the folder before the run; it must stay as it is.
    after
        The folder after it: the trace must lead there, or something changed it that no call told.
    into
        Folder to make, where the states are laid out.
    ignore
        Patterns of paths that need not agree with `after`: shared memory in files, such as SQLite's `*-shm`.

    Raises
    ------
    AssertionError
        When the calls do not lead from `before` to `after`.
    """
    choices = _choices(before, calls, -(-most // (len(calls) + 1)), seed)
    _check(before, calls, after, ignore)
    chosen = _sample(choices, most, seed)
    disk, done = _Disk(before), 0
    into.mkdir(parents=True)
    for number, choice in enumerate(chosen):
        for call in calls[done : choice.after]:
            disk.apply(call)
        done = choice.after
        found, told = disk.contents(choice, seed)
        folder = into / f"{number}"
        _lay_out(found, folder, disk)
        yield State(folder, choice.after, told)
        shutil.rmtree(folder)


def _sample(choices: list[_Choice], most: int, seed: int) -> list[_Choice]:
    """Return at most so many, in order; random ones where the others leave room."""
    found: list[_Choice] = []
    for group in ([one for one in choices if one.variant < 0], [one for one in choices if one.variant >= 0]):
        found += [group[k - 1] for k in every(len(group), most - len(found), seed)]
    return sorted(found, key=choices.index)


def _choices(before: Path, calls: Sequence[Call], random_ones: int, seed: int) -> list[_Choice]:
    """Return choices that differ at each point of the trace."""
    disk, found = _Disk(before), []
    for after in range(len(calls) + 1):
        if after:
            disk.apply(calls[after - 1])
        seen = set()
        for variant in (_LEAST, _NAMES, _ALL, *range(random_ones)):
            choice = _Choice(after, variant)
            contents, _ = disk.contents(choice, seed)
            digest = hashlib.sha256(repr(sorted((path, text) for path, (_, text) in contents.items())).encode())
            if digest.digest() not in seen:
                found.append(choice)
                seen.add(digest.digest())
    return found


def _check(before: Path, calls: Sequence[Call], after: Path, ignore: Sequence[str]) -> None:
    disk, real = _Disk(before), _Disk(after)
    for call in calls:
        disk.apply(call)
    all_done = _Choice(len(calls), _ALL)
    ours, theirs = (
        {path: text.read_bytes() if isinstance(text, Path) else text for path, (_, text) in found.items()}
        for found, _ in (disk.contents(all_done, 0), real.contents(all_done, 0))
    )
    for path in sorted(ours.keys() | theirs.keys()):
        if not any(fnmatch.fnmatchcase(path, pattern) for pattern in ignore):
            same = path in ours and path in theirs and ours[path] == theirs[path]
            assert same, f"{path} is not as the calls left it: changed through mapped memory, or by another process?"


def _lay_out(found: _Contents, folder: Path, disk: _Disk) -> None:
    folder.mkdir()
    files = {id(file) for file in disk.files}
    made: dict[int, Path] = {}
    for path, (node, text) in found.items():
        place = folder / path
        if text is None:
            place.mkdir()
        elif isinstance(text, bytes) and node not in files:
            place.symlink_to(os.fsdecode(text))
        elif node in made:
            place.hardlink_to(made[node])
        else:
            made[node] = place
            place.write_bytes(text.read_bytes() if isinstance(text, Path) else text)
