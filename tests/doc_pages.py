"""Pages whose blocks are run as a reader would run them, one after another in one folder.

A block is fenced. ```sh goes to bash, which ends at the first command that fails; ```python to an interpreter of its
own. A ```text block that follows one of them at once is an excerpt of what it printed: its lines must be there, one
under the other. A line `...` stands for lines left out, `...` within a line for what is another each time; blanks count
as one, and a number may differ by 2 %, for processors round differently. Blocks of other kinds, and indented ones, are
not run.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n*```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w.]\d)")
_SHARE = 0.02


@dataclass(frozen=True)
class Block:
    """A block that is run, and what the page shows of its output."""

    page: str
    line: int
    kind: str
    code: str
    shown: list[str]

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks_of(page):
    """The blocks of a page under docs/ that are run, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [
        Block(page, text[: found.start()].count("\n") + 1, found[1], found[2], (found[3] or "").splitlines())
        for found in _FENCE.finditer(text)
        if found[1] in ("sh", "python")
    ]


def run(block, folder):
    """Run a block in a folder and return what it printed; raise when it failed."""
    # the commands of this environment first, and nothing of the caller's tests
    found = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TIANYAN", "NUMBA_DISABLE"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{found.get('PATH', '')}"
    command = ["bash", "-euo", "pipefail", "-c"] if block.kind == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, block.code],
        cwd=folder,
        # small matrices lose by threads where other tests run beside
        env={
            "OPENBLAS_NUM_THREADS": "1",
            **found,
            "PATH": path,
            "MPLBACKEND": "Agg",
            "COLUMNS": "80",
            "PYTHONPATH": str(ROOT),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block} ended with {done.returncode}:\n{block.code}\n{done.stdout}"
    return done.stdout


def missing(shown, output):
    """The first line of an excerpt that is not where it should be in the output; None when all are."""
    lines = [_plain(line) for line in output.splitlines()]
    at, near = 0, False
    for line in map(_plain, shown):
        if line == "...":
            near = False
            continue
        places = [at] if near else range(at, len(lines))
        place = next((n for n in places if n < len(lines) and same(line, lines[n])), None)
        if place is None:
            return line
        at, near = place + 1, True
    return None


def same(shown, printed):
    """Whether a shown line is a printed one: words as they are, numbers to 2 %."""
    pattern, told = "", []
    for part in re.split(rf"(\s*\.\.\.\s*|{_NUMBER.pattern})", shown):
        if part.strip() == "..." and part:
            pattern += ".*?"
        elif _NUMBER.fullmatch(part):
            pattern += r"(-?\d+(?:\.\d+)?)"
            told.append(float(part))
        else:
            pattern += re.escape(part)
    found = re.fullmatch(pattern, printed)
    return found is not None and all(
        abs(number - float(other)) <= _SHARE * abs(number) for number, other in zip(told, found.groups(), strict=True)
    )


def _plain(line):
    # what tables are drawn with, and how wide their columns are, says nothing
    return " ".join(re.sub(r"[│┃━─┏┓┗┛┡┩╇┳┻┼┤├└┘┴┬]+", " ", line).split())
