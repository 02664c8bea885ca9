"""What a piece writes with: files into the folder, and a record of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.evidence.record import Record
from benchmarks.evidence.sizes import Size
from pipeline.provenance import file_digest

#: dots an inch of every picture
_DPI = 120


@dataclass
class Desk:
    """Where a piece works.

    Parameters
    ----------
    folder
        Of the evidence; tables and pictures go there.
    work
        Of simulated worlds and all that is large.
    size
        How large everything is.
    shared
        Folder of real inputs; may be absent.
    record
        What becomes of it.
    """

    folder: Path
    work: Path
    size: Size
    shared: Path
    record: Record
    _written: list[str] = field(default_factory=list)

    def text(self, name: str, text: str, caption: str) -> None:
        """Write a text."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n", encoding="utf-8")
        self.keep(name)
        self.record.tables.append((name, caption))

    def table(self, name: str, frame: pd.DataFrame, caption: str) -> None:
        """Write a table as CSV; numbers to six digits."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
        self.keep(name)
        self.record.tables.append((name, caption))

    def picture(self, name: str, figure: Figure, caption: str) -> None:
        """Write a picture and close the figure."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # no clock and no version in the file: the same numbers are the same bytes
        figure.savefig(path, dpi=_DPI, metadata={"Software": None})
        plt.close(figure)
        self.keep(name)
        self.record.pictures.append((name, caption))

    def keep(self, name: str) -> None:
        """Note the digest of a file that stands in the folder, or relative to it."""
        self.record.outputs[name] = file_digest(self.folder / name)

    def shows(self, heading: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> None:
        """Put a table into the index: the first column is text, the others are numbers."""
        lines = ["| " + " | ".join(heading) + " |", "|---|" + "---:|" * (len(heading) - 1)]
        lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
        self.record.shown.append((f"{caption}\n\n" if caption else "") + "\n".join(lines))

    def says(self, sentence: str) -> None:
        """Put a sentence into the index."""
        self.record.findings.append(sentence)
