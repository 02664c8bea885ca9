"""The page of the rooms says what is so: who may import whom, which Datasets travel, where each step stands."""

import importlib
import re
from pathlib import Path

import pytest
from test_imports import ALLOWED

from pipeline.schema import SCHEMAS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(pipeline\.\w+\.[\w.]+)`", PAGE)))


def rows(heading):
    """Cells of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_table_of_rooms_is_that_of_the_imports():
    told = {room.strip("`"): set(re.findall(r"`([\w.]+)`", allowed)) for room, _, allowed in rows("Rooms")}
    assert told == ALLOWED


def test_the_datasets_that_travel_are_those_declared():
    assert {name for name, *_ in rows("Datasets that travel")} == set(SCHEMAS)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_is_there(name):
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return
    raise AssertionError(name)
