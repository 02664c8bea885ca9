"""The tutorial runs as written; README, docs/query.md and docs/formats.md are held against the stores it leaves."""

import importlib.util
import re
import textwrap

import doc_pages
import pytest
from doc_pages import ROOT, Block, blocks_of, missing, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reader's folder, in which every block of the tutorial was run in order."""
    folder = tmp_path_factory.mktemp("reader")
    for block in blocks_of("tutorial.md"):
        output = run(block, folder)
        lost = missing(block.shown, output)
        assert lost is None, f"{block} shows a line that is not printed there:\n{lost}\n---\n{output}"
    return folder


def test_the_tutorial_runs_as_written(folder):
    assert {path.name for path in folder.iterdir()} >= {"world", "live", "day.tif", "ledger.parquet", "change.png"}


def test_python_that_readme_and_query_show_runs_on_the_tutorials_stores(folder):
    """README: all of it. docs/query.md: all but the lines that name a release, which the tutorial has none of."""
    (folder / "tacolneston-output").mkdir()
    (folder / "tacolneston-output" / "tacolneston.zarr").symlink_to(folder / "world" / "posterior.zarr")
    (folder / "week-output").symlink_to(folder / "world")
    code = ["import shapely", "shapely_polygon = shapely.box(120, 30, 121, 31)"]
    for name in ("README.md", "docs/query.md"):
        lines = [line for line in _python(ROOT / name) if 'version="R1"' not in line]
        assert len([line for line in lines if "ty.query(" in line]) >= (1 if name == "README.md" else 3)
        code += lines
    run(Block("README.md and query.md", 0, "python", "\n".join(code), []), folder)


def test_the_tables_of_formats_are_those_of_the_tutorials_stores(folder):
    spec = importlib.util.spec_from_file_location("formats", ROOT / "docs" / "formats.py")
    formats = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(formats)
    page = formats.PAGE.read_text(encoding="utf-8")
    made = formats.written(page, formats.tables(folder / "world" / "posterior.zarr", folder / "live"))
    assert page.splitlines() == made.splitlines(), "run `python docs/formats.py world/posterior.zarr live`"
    with pytest.raises(LookupError, match="are made"):
        formats.written("<!-- run -->\n<!-- end -->\n", {})


def _python(path):
    """The lines of indented blocks that are Python."""
    blocks = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", path.read_text(encoding="utf-8"), re.MULTILINE)
    return "".join(textwrap.dedent(block) for block in blocks if "import " in block).splitlines()


@pytest.mark.parametrize(
    ("shown", "printed", "lost"),
    [
        ("a 1.00", "a 1.01", None),
        ("a 1.00", "a 1.05", "a 1.00"),
        ("a -1", "a 1", "a -1"),
        ("a 1", "b 1", "a 1"),
        ("2024-07-15T03Z: 1 hour", "2024-07-15T04Z: 1 hour", "2024-07-15T03Z: 1 hour"),
        ("version ...", "version 9TKF", None),
        ("a\nb", "a\nx\nb", "b"),
        ("a\n...\nb", "a\nx\nb", None),
        ("b\n...\na", "a\nb", "a"),
        ("│ a  │ 1 │", "│ a │   1 │", None),
        ("x\ny", "x", "y"),
    ],
)
def test_a_shown_line_is_found_only_where_it_is_printed(shown, printed, lost):
    assert missing(shown.splitlines(), printed) == lost


def test_blocks_are_found_with_what_they_show(tmp_path, monkeypatch):
    page = "text\n\n```sh\na\nb\n```\n```text\nshown\n```\n\n```python\nc\n```\n\n```toml\nd = 1\n```\n\n    indented\n"
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(page)
    monkeypatch.setattr(doc_pages, "ROOT", tmp_path)
    found = blocks_of("page.md")
    assert [(one.line, one.kind, one.code, one.shown) for one in found] == [
        (3, "sh", "a\nb\n", ["shown"]),
        (11, "python", "c\n", []),
    ]


def test_a_command_that_fails_fails_the_page(tmp_path):
    with pytest.raises(AssertionError, match="ended with"):
        run(Block("page.md", 1, "sh", "false\ntrue\n", []), tmp_path)
