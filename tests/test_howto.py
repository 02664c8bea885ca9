"""The pages of docs/howto run as written, in the order of their list, in one folder: with SOAK=1."""

import os
import re

import pytest
from doc_pages import ROOT, blocks_of, missing, run

_LIST = (ROOT / "docs/howto/README.md").read_text(encoding="utf-8")
PAGES = ["README.md", *re.findall(r"^\|.*\[\w+\]\((\w+\.md)\) \|$", _LIST, re.MULTILINE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reader")


def test_every_page_is_in_the_list():
    assert sorted(PAGES) == sorted(path.name for path in (ROOT / "docs/howto").glob("*.md"))


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="minutes; `make soak` runs it (SOAK=1)")
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_as_written(folder, page):
    if page != "README.md" and not (folder / "small" / "posterior.zarr").is_dir():
        pytest.skip("the first page has made no small world")
    for block in blocks_of(f"howto/{page}"):
        output = run(block, folder)
        lost = missing(block.shown, output)
        assert lost is None, f"{block} shows a line that is not printed there:\n{lost}\n---\n{output}"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_short(page):
    assert len((ROOT / "docs/howto" / page).read_text(encoding="utf-8").splitlines()) <= 80


def test_figures_of_coverage_are_those_of_its_file():
    figures = (ROOT / "docs/evidence/coverage/draws.txt").read_text(encoding="utf-8").splitlines()
    quoted = (ROOT / "docs/howto/uncertainty.md").read_text(encoding="utf-8").splitlines()
    shown = [line for line in quoted if line.startswith(" all ")]
    assert len(shown) == 4
    assert shown == [line for line in figures if line.startswith(" all ")]
