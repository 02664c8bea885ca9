"""The house: files and functions that a reader can hold in mind, and words that lead to what is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    path
    for room in ("kernels", "pipeline", "station_meta", "workflows", "benchmarks")
    for path in sorted((ROOT / room).rglob("*.py"))
]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_LINES, MOST_OF_A_FUNCTION = 400, 60


def name(path):
    return path.relative_to(ROOT).as_posix()


def lengths(path):
    """Lines of each function without its docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = node.body[0] if ast.get_docstring(node) is not None else None
            docstring = told.end_lineno - told.lineno + 1 if told else 0
            yield f"{name(path)} {node.name}", node.end_lineno - node.lineno + 1 - docstring


def test_no_file_of_sources_or_tests_exceeds_400_lines():
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES + TESTS}
    assert {where: count for where, count in lines.items() if count > MOST_LINES} == {}


def test_no_function_of_the_sources_exceeds_60_lines_without_its_docstring():
    found = [one for path in SOURCES for one in lengths(path)]
    assert {where: count for where, count in found if count > MOST_OF_A_FUNCTION} == {}


# benchmarks write pages: what they name is made
@pytest.mark.parametrize("path", [path for path in SOURCES if not name(path).startswith("benchmarks/")], ids=name)
def test_a_page_that_a_source_names_is_there(path):
    named = re.findall(r"[\w/.-]*\w+\.md\b", path.read_text(encoding="utf-8"))
    lost = [one for one in named if not (ROOT / one).is_file() and not (ROOT / "docs" / one).is_file()]
    assert lost == [], "cite the paper, or a page that is shipped"
