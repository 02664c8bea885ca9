"""The monthly report: its numbers are those of the ledger, it needs nothing from outside, it says what is missing."""

import re
import shutil
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import query_stores as stores
from command_line import command

from pipeline import cli_report
from pipeline.answers import open_source, query
from pipeline.errors import ConfigError, InputError
from pipeline.report import report
from pipeline.report_month import month_of, read_month
from pipeline.report_words import SENTENCES
from pipeline.show_tables import rounded, with_sigma

BROWSER = next(filter(None, map(shutil.which, cli_report.BROWSERS)), None)


class Page(HTMLParser):
    """Tags, what they refer to, and the cells of tables."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.rows = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and self.tags[-1] in {"td", "th"}:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def hours(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hours")
    stores.hours_of(run, folder, ("2024-07-15T05",))
    return folder / "store"


def made(store, language="en", month="2024-07"):
    source = open_source(store)
    try:
        return report(source, month, language)
    finally:
        source.close()


@pytest.fixture(scope="module")
def page(store):
    return made(store)


def minus(text):
    return text.replace("-", "−")


def test_the_numbers_are_those_of_a_query(store, page):
    answer = query(store, ["WEST", "EAST", "ALL"], "2024-07").isel(time=0)
    rows = {(row[0], row[1]): row for row in Page(page).rows if len(row) == 8}
    scale = 1e3 if "kt CO₂, sum" in page else 1.0
    assert float(np.abs(answer[["prior", "posterior"]].to_array()).max()) >= scale
    for region in answer["region"].values:
        for sector in answer["sector"].values:
            cell = answer.sel(region=region, sector=sector)
            mark = "±" if bool(cell["exact"]) else "±≤"
            found = rows[str(cell["region_name"].values), sector]
            posterior, prior = (
                minus(with_sigma(cell[which], cell[f"{which}_std"], scale).replace("±", mark))
                for which in ("posterior", "prior")
            )
            change = rounded(cell["posterior"] - cell["prior"], cell["posterior_std"], scale)
            assert found[4:6] == [posterior, prior]
            assert found[6].lstrip("+") == minus(change)
            assert found[7] == f"{float(cell['data_share']):.0%}"
            emission, uptake = (float(text.replace("−", "-")) for text in found[2:4])
            assert emission + uptake == pytest.approx(float(cell["posterior"]) / scale, abs=2 * 10 ** -_decimals(found))


def _decimals(row):
    return min(len(text.partition(".")[2]) for text in row[2:4])


def test_the_page_needs_nothing_from_outside_and_runs_nothing(page):
    found = Page(page)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(found.tags)
    assert found.links
    assert all(link.startswith("data:image/png;base64,") for link in found.links)
    assert not re.search(r"https?:|url\(|@import|javascript:", page)
    assert "default-src 'none'" in page


def test_one_version_is_one_text_and_names_itself(store, page):
    assert made(store) == page
    source = open_source(store)
    assert source.version.id in page
    source.close()


def test_every_map_has_a_picture_and_every_caveat_stands(hours, page):
    assert page.count("<figure>") == page.count("data:image/png") == 5
    for sentence in ("c_sigma", "c_neighbours", "c_sectors", "c_maps", "c_outside"):
        assert SENTENCES[sentence][0] in unescape(page)


def test_a_part_of_a_month_says_so(run, hours):
    assert "30 of 744 hours have numbers (2024-07-14 18:00 to 2024-07-16 00:00 UTC)" in made(run.store)
    told = made(hours)
    assert "29 of 744 hours have numbers" in told
    assert "715 hours have no numbers. They are not counted and not guessed." in told
    assert unescape(SENTENCES["c_upper"][0]) in unescape(told)
    assert SENTENCES["c_exact"][0] not in unescape(told)


def test_chinese_is_chinese(run):
    told = made(run.store, "zh")
    assert '<html lang="zh-CN">' in told
    for text in ("二氧化碳通量月报", "2024年7月", "人为源", "净通量", "后验", "744 小时中 30 小时有结果"):
        assert text in told
    # a sentence of ours is in both languages, with the same gaps
    for english, chinese in SENTENCES.values():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese))


def test_text_of_data_is_escaped(run):
    source = open_source(run.store)
    names = ('<script>alert("a")</script>', "b & c", "</svg><img src=x>")
    object.__setattr__(source.regions, "names", names)
    object.__setattr__(source.regions, "names_en", ("", "", ""))
    told = report(source, "2024-07", "zh")
    source.close()
    assert not {"script", "img"} & set(Page(told).tags)
    assert all(link.startswith("data:") for link in Page(told).links)
    for text in ("&lt;script&gt;", "b &amp; c", "&lt;/svg&gt;"):
        assert text in told


def test_hours_that_rest_on_little_are_told(run, tmp_path):
    from pipeline.grid import HourVersion
    from pipeline.service import product

    store = stores.hours_of(run, tmp_path)
    hour = np.datetime64("2024-07-15T03", "h")
    facts = {"status": "P0", "condition": "prior_only", "key": "again", "code": "9.9.9"}
    store.commit([HourVersion(hour, product.of_hour(run.result, hour), facts)], at=stores.AT)
    told = made(store.path)
    assert "1 of the hours are degraded or prior only" in told
    assert "P0 prior only 1, P2 with its full window 29" in told
    assert "full 29, prior only 1" in told
    assert "tianyan 9.9.9" in told
    assert "2024-07-16 01:00 UTC" in told


@pytest.mark.parametrize("text", ["2024", "2024-13", "2024-7", "2024-07-15", "July", ""])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(InputError, match=r"--month: a month must be a year and a month; got .* write it as 2024-07"):
        month_of(text)


def test_a_month_without_numbers_and_a_store_without_regions_are_refused(run):
    source = open_source(run.store)
    with pytest.raises(InputError, match=r"must have an hour with numbers; .*the store has 2024-07-14T18Z to"):
        read_month(source, "2024-08")
    object.__setattr__(source.regions, "ids", ())
    with pytest.raises(InputError, match="a report needs regions"):
        read_month(source, "2024-07")
    source.close()


def test_a_sigma_of_too_many_numbers_is_left_out_and_said(run, monkeypatch):
    from pipeline import report_month

    monkeypatch.setattr(report_month, "MOST_NUMBERS", 10)
    told = made(run.store)
    assert told.count("data:image/png") == 4
    assert SENTENCES["no_sigma_map"][0] in told


def test_the_command_writes_the_page_even_without_a_browser(hours, tmp_path, monkeypatch, capsys):
    words = ["report", hours, "--month", "2024-07", "--output", tmp_path / "a.html", "--language", "zh"]
    assert command(monkeypatch, *words) == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page == made(hours, "zh")
    (tmp_path / "a.html").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command(monkeypatch, *words, "--pdf") == 2
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == page
    told = capsys.readouterr().err
    assert "a PDF is printed by a browser on the PATH; got 'none of chromium" in told
    assert "Remedy: install chromium" in told


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--month", "soon"], "a month must be a year and a month; got 'soon'"),
        (["--month", "2019-01"], "the period must have an hour with numbers"),
        (["--month", "2024-07", "--output", "a.doc"], "the file's ending says what is written"),
    ],
)
def test_a_bad_question_ends_with_2_and_a_remedy(hours, tmp_path, monkeypatch, capsys, words, text):
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "report", hours, *words) == 2
    told = capsys.readouterr().err
    assert text in told
    assert "Remedy: " in told
    assert not list(tmp_path.iterdir())


def test_a_browser_that_prints_nothing_is_told(tmp_path, monkeypatch):
    page, browser = tmp_path / "a.html", tmp_path / "chromium"
    page.write_text("<p>a</p>", encoding="utf-8")
    browser.write_text("#!/bin/sh\necho no display >&2\n", encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ConfigError, match="the browser must print the page; got 'no display'"):
        cli_report.print_page(page, tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.skipif(BROWSER is None, reason="no browser on the PATH that can print")
def test_a_browser_prints_the_page(hours, tmp_path, monkeypatch, capsys):
    words = ["report", hours, "--month", "2024-07", "--output", tmp_path / "a.html", "--pdf"]
    assert command(monkeypatch, *words) == 0
    assert f"pdf:    {tmp_path / 'a.pdf'}" in capsys.readouterr().out
    printed = (tmp_path / "a.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") >= 1
