"""The committed reference is what docs/reference.py writes now; run `python docs/reference.py` after a change."""

import importlib
import importlib.util

import pytest
from doc_pages import ROOT


def _generator():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = _generator()
MADE = GENERATOR.pages()


def test_the_pages_are_those_that_are_made():
    assert sorted(MADE) == sorted(path.name for path in GENERATOR.FOLDER.glob("*.md"))


@pytest.mark.parametrize("page", sorted(MADE))
def test_a_page_is_what_is_made_now(page):
    committed = (GENERATOR.FOLDER / page).read_text(encoding="utf-8")
    if page == "commands.md" and f"by cyclopts {GENERATOR.cyclopts_version()} -->" not in committed:
        pytest.skip("another version of cyclopts words its page in another way")
    # pytest would take minutes to show the difference of long pages
    if committed != MADE[page]:
        pytest.fail(f"docs/reference/{page} is not what the sources say: run `python docs/reference.py`")


@pytest.mark.parametrize("package", GENERATOR.PACKAGES)
def test_every_public_name_is_there_with_what_it_is(package):
    module, text = importlib.import_module(package), MADE[f"{package}.md"]
    for name in module.__all__:
        assert f"\n## `{name}`\n" in text
        found = getattr(module, name)
        if callable(found) and getattr(found, "__doc__", None) and hasattr(found, "__module__"):
            assert found.__doc__.strip().splitlines()[0] in text


def test_every_command_is_there():
    # tianyan COMMAND SUB, by what the program itself knows
    from pipeline.cli import app

    for name in [one for one in app if not one.startswith("-")]:
        assert f"## tianyan {name}" in MADE["commands.md"]
