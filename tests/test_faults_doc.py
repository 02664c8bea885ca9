"""The table of faults names tests that exist, and every fault it should."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: by table, the faults that must be in it, and how many tests it names at least
TABLES = {
    "faults.md": (list(range(27, 52)), 40),
    # 51 is one of a case
    "service_faults.md": ([*range(1, 27), 38, 47, 49, 50, *range(52, 59), 66, 67, 68], 60),
    "serve.md": (list(range(59, 66)), 20),
}


def text_of(table):
    return (ROOT / "docs" / table).read_text(encoding="utf-8")


@pytest.mark.parametrize("table", TABLES)
def test_every_test_the_table_names_exists(table):
    there = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    named = set(re.findall(r"\btest_\w+", text_of(table)))
    assert len(named) >= TABLES[table][1]
    assert named <= there


@pytest.mark.parametrize("table", TABLES)
def test_every_fault_of_a_table_is_in_it(table):
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", text_of(table), re.MULTILINE)] == TABLES[table][0]
