"""The table of faults names tests that exist, and every fault it should."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def test_every_test_the_table_names_exists():
    there = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    named = set(re.findall(r"\btest_\w+", TEXT))
    assert len(named) > 40
    assert named <= there


def test_every_fault_of_an_observation_file_is_in_the_table():
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)] == list(range(27, 52))
