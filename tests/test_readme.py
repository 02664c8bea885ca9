"""The two READMEs say the same, and every command in them is one."""

import re
import shlex
from pathlib import Path

import pytest

from pipeline.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"en": "README.md", "zh": "README.zh.md"}
#: what stands for a file of the reader's own, as each page calls it
NAMES = {
    "文件": "FILE",
    "轨迹文件": "TRACK",
    "压缩包": "ARCHIVE",
    "目录": "FOLDER",
    "传感器文件": "SENSOR",
    "参考文件": "REFERENCE",
}


def text_of(page):
    return (ROOT / PAGES[page]).read_text(encoding="utf-8")


def commands(page):
    """Words of every `tianyan` command of a page, in order."""
    lines = [line for line in text_of(page).splitlines() if line.startswith("    .venv/bin/tianyan ")]
    parts = [part for line in lines for part in line.split("&&")]
    return [shlex.split(part, comments=True)[1:] for part in parts]


@pytest.mark.parametrize("words", [words for page in PAGES for words in commands(page)], ids=" ".join)
def test_a_command_of_the_readme_is_one(words):
    command, _, rest, *_ = app.parse_known_args(words)
    assert command is not None
    assert rest == []


def test_both_languages_have_the_same_commands_and_links():
    plain = [[NAMES.get(word, word) for word in words] for words in commands("zh")]
    for words in plain:
        if "--language" in words:
            at = words.index("--language")
            del words[at : at + 2]
    assert plain == commands("en")
    # a page that is there in both languages is linked in that of the reader
    found = {page: re.findall(r"\]\((\S+?)\)", text_of(page)) for page in PAGES}
    links = {page: {link.replace(".zh.md", ".md") for link in some} for page, some in found.items()}
    assert links["en"] == links["zh"]
