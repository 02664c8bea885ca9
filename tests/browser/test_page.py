"""The page in a real browser, before a real server of a small store: what is seen, clicked and taken away."""

import io
import json
import re
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import query_stores as stores
from browser.chromium import Browser, installed
from matplotlib.image import imread
from served_stores import process_of

pytestmark = pytest.mark.skipif(
    installed() is None, reason="no chromium, chromium-browser or google-chrome on the path"
)

MISSING = "2024-07-15T05"
PRIOR_ONLY = "2024-07-15T10"
HOUR = "2024-07-15T08Z"
#: between the 6 x 5 cells' centres at a quarter of a degree
CELL = (118.5, 28.5)
SETTLED = "window.tianyan?.ready && document.body.classList.contains('settled')"
PANEL = "document.querySelector('#panel').dataset.ready"
RING = [(118.3, 28.2), (119.1, 28.25), (118.9, 28.9)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    stores.hours_of(stores.run(folder), folder, leave_out={MISSING}, prior_only={PRIOR_ONLY})
    with process_of(folder / "store") as (address, _):
        yield SimpleNamespace(url=address)


@pytest.fixture(scope="module")
def browser():
    with Browser(installed()) as one:
        yield one


@pytest.fixture
def page(server, browser):
    """A page that has settled, and afterwards: no error, no word to anyone but the server."""
    browser.events.clear()

    def open_page(hash_="", query="lang=en", size=(1280, 800), phone=False):
        browser.size(*size, phone=phone)
        browser.open(f"{server.url}/?{query}#t={HOUR}{hash_}")
        browser.wait(SETTLED, 40)
        return browser

    yield open_page
    browser.rest(0.2)
    assert browser.run("tianyan.errors") == []
    assert [e["exceptionDetails"]["text"] for e in browser.of("Runtime.exceptionThrown")] == []
    errors = [e["args"] for e in browser.of("Runtime.consoleAPICalled") if e["type"] == "error"]
    # an hour without numbers is a chunk that is not there: the browser itself writes that down
    entries = [e["entry"] for e in browser.of("Log.entryAdded") if e["entry"]["level"] == "error" and not _gap(e)]
    errors += [(entry["text"], entry.get("url")) for entry in entries]
    assert errors == []
    asked = [e["request"]["url"] for e in browser.of("Network.requestWillBeSent")]
    assert asked
    outside = [url for url in asked if not url.startswith((server.url, "blob:", "data:", "about:"))]
    assert outside == []


def _gap(event):
    return "/api/zarr/" in event["entry"].get("url", "") and "404" in event["entry"]["text"]


def _get(server, path, **parameters):
    version = json.load(urllib.request.urlopen(f"{server.url}/api/metadata"))["version"]
    query = urllib.parse.urlencode({**parameters, "version": version})
    return json.load(urllib.request.urlopen(f"{server.url}/api/{path}?{query}"))


def _pixel(browser, lon, lat):
    """Colour of the map at a place, 0 to 1."""
    x, y = browser.run(f"tianyan.project({lon}, {lat})")
    return imread(io.BytesIO(browser.picture()))[round(y), round(x), :3]


def _frame(browser, action):
    """Do what changes the map, and wait until it has."""
    browser.run("tianyan.frame = null")
    action()
    browser.wait("tianyan.frame !== null")


def _choose(browser, group, name):
    browser.run(f"document.querySelector('input[name={group}][value={name}]').click()")


def _told(browser, kind, name):
    """A total in the panel, and its sigma."""
    found = f"document.querySelector('[data-total={kind}][data-name={name}]').dataset"
    return float(browser.run(f"{found}.value")), float(browser.run(f"{found}.sigma"))


def _clicked(browser, lon, lat):
    browser.run("delete document.querySelector('#panel').dataset.ready")
    browser.click(*browser.run(f"tianyan.project({lon}, {lat})"))
    browser.wait(PANEL, 60)


def _same(told, answer, sector="net", at=0):
    numbers = answer["sectors"][sector]
    assert told == pytest.approx((numbers["posterior"][at], numbers["posterior_std"][at]), rel=1e-6)


def test_the_first_paint_is_soon_and_the_map_is_drawn(page):
    browser = page()
    paint = browser.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 10_000
    assert browser.run("tianyan.first") < 30_000
    # a cell of the grid is not paper
    assert np.abs(_pixel(browser, *CELL) - np.array([0xDF, 0xE5, 0xEA]) / 255).max() > 0.02


def test_each_layer_and_sector_has_its_own_colours(page):
    browser = page()
    seen = [_pixel(browser, *CELL)]
    for group, name in (("layer", "flux_posterior_std"), ("layer", "flux_prior"), ("sector", "anthropogenic")):
        _frame(browser, lambda group=group, name=name: _choose(browser, group, name))
        seen.append(_pixel(browser, *CELL))
    assert all(np.abs(a - b).max() > 0.02 for k, a in enumerate(seen) for b in seen[:k])
    assert "prior · anthropogenic" in browser.run("document.querySelector('#bar').textContent").lower()


def test_time_moves_by_the_slider_the_keys_and_the_buttons(page):
    browser = page()
    before = browser.run("document.querySelector('#utc').textContent")
    assert before == "2024-07-15 08:00"
    assert browser.run("document.querySelector('#beijing').textContent") == "2024-07-15 16:00"
    _frame(browser, lambda: browser.tap("#forward"))
    assert browser.run("document.querySelector('#utc').textContent") == "2024-07-15 09:00"
    browser.run("document.activeElement.blur()")
    _frame(browser, lambda: browser.key("ArrowLeft", 37))
    assert browser.run("document.querySelector('#utc').textContent") == before
    slide = "const s = document.querySelector('#slider'); s.value = 20; s.dispatchEvent(new Event('input'))"
    _frame(browser, lambda: browser.run(f"(() => {{ {slide} }})()"))
    assert browser.run("document.querySelector('#utc').textContent") == "2024-07-15 14:00"
    browser.wait("location.hash.includes('t=2024-07-15T14Z')")


def test_playing_runs_on_and_asks_ahead(page):
    browser = page()
    browser.tap("#play")
    browser.wait("document.querySelector('#utc').textContent >= '2024-07-15 10:00'")
    browser.tap("#play")
    browser.rest(0.6)
    stopped = browser.run("document.querySelector('#utc').textContent")
    browser.rest(0.8)
    assert browser.run("document.querySelector('#utc').textContent") == stopped
    hours = {
        int(m[1])
        for e in browser.of("Network.requestWillBeSent")
        if (m := re.search(r"/c/2/(\d+)/0/0$", e["request"]["url"]))
    }
    assert max(hours) > browser.run("Number(document.querySelector('#slider').value)")


def test_an_hour_without_numbers_says_so(page):
    browser = page()
    assert browser.run("document.querySelector('#no-numbers').hidden")
    _frame(browser, lambda: browser.run("location.hash = location.hash.replace('T08Z', 'T05Z')"))
    assert not browser.run("document.querySelector('#no-numbers').hidden")
    assert "No numbers" in browser.run("document.querySelector('#no-numbers').textContent")


def test_an_hour_that_is_the_prior_alone_is_marked(page):
    browser = page()
    browser.wait("document.querySelector('#hour-state').dataset.state === 'green'", 30)
    browser.run("location.hash = location.hash.replace('T08Z', 'T10Z')")
    browser.wait("document.querySelector('#hour-state').dataset.state === 'yellow'", 30)
    assert "prior only" in browser.run("document.querySelector('#hour-state').textContent")


def test_a_newer_version_is_offered_and_one_that_cannot_be_read_is_told(tmp_path, browser):
    asked = stores.run(tmp_path)
    store, at = stores.hours_of(asked, tmp_path), datetime(2024, 7, 16, 5, tzinfo=UTC)
    shown = "document.querySelector('#version').title"
    with process_of(tmp_path / "store") as (address, _):
        browser.size(1280, 800, phone=False)
        browser.open(f"{address}/?lang=en#t={HOUR}")
        browser.wait(SETTLED, 40)
        first = browser.run(shown)
        second = stores.commit_again(store, asked, 2.0, at)
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        browser.wait("document.querySelector('.toast')?.textContent.includes('newer version')", 30)
        assert browser.run(shown) == first
        browser.run("document.querySelector('.toast button:not([aria-label])').click()")
        browser.wait(f"window.tianyan?.ready && {shown} === '{second}'", 40)
        assert browser.run("document.querySelector('#fallback-notice').hidden")
        before = set((tmp_path / "store" / "repo" / "snapshots").iterdir())
        stores.commit_again(store, asked, 3.0, at)
        for path in set((tmp_path / "store" / "repo" / "snapshots").iterdir()) - before:
            path.write_bytes(b"damaged")
        browser.open(f"{address}/?lang=en&again=1")
        browser.wait(f"window.tianyan?.ready && {shown} === '{second}'", 40)
        assert "cannot be read" in browser.run("document.querySelector('#fallback-notice').textContent")
        # it would ask on when the server has gone
        browser.open("about:blank")


@pytest.mark.parametrize(
    ("fallback", "newer"), [("null", "OLDER"), ("{newest: 'OTHER'}", "OLDER"), ("{newest: 'MINE'}", None)]
)
def test_an_older_version_that_stands_in_for_this_one_is_not_offered_as_newer(page, fallback, newer):
    browser = page()
    told = browser.run(
        f"""(async () => {{
        const {{ Api }} = await import('/web/api.mjs')
        const api = Object.assign(new Api(), {{ version: 'MINE' }})
        const real = window.fetch
        window.fetch = async () => new Response(JSON.stringify({{ version: 'OLDER', fallback: {fallback} }}))
        return api.newer().finally(() => {{ window.fetch = real }})
        }})()"""
    )
    assert told == newer


def test_maps_of_a_version_that_is_gone_are_no_hours_without_numbers(page):
    browser = page()
    told = browser.run(
        """(async () => {
        const { Chunks } = await import('/web/chunks.mjs')
        const gone = () => new Response(JSON.stringify({ error: { rule: 'gone' } }), { status: 410 })
        const real = window.fetch
        window.fetch = async () => gone()
        const chunks = new Chunks('/api/zarr/GONE', ['flux_prior'])
        return chunks.load({ layer: 'flux_prior', sector: 0, hour: 0 })
          .then(() => 'no numbers', ({ status }) => status)
          .finally(() => { window.fetch = real })
        })()"""
    )
    assert told == 410


def test_a_region_chosen_on_the_map_tells_the_totals_of_the_server(server, page):
    browser = page()
    _clicked(browser, 118.1, 28.5)
    span = browser.run("new URL(document.querySelector('#files a').href).searchParams.get('period')")
    whole = _get(server, "series", region="WEST", sector="net", freq="all", period=span)
    _same(_told(browser, "whole", "posterior"), whole)
    series = _get(server, "series", region="WEST", sector="net", freq="hour", period=span)
    _same(_told(browser, "part", "posterior"), series, at=series["time"].index("2024-07-15T08:00Z"))
    assert browser.run("document.querySelectorAll('#panel-chart .line-posterior').length") > 0
    # another frequency, another sector
    browser.run("delete document.querySelector('#panel').dataset.ready")
    _choose(browser, "freq", "day")
    _choose(browser, "sector", "biosphere")
    browser.wait(PANEL, 60)
    days = _get(server, "series", region="WEST", sector="biosphere", freq="day", period=span)
    at = days["time"].index("2024-07-15T00:00Z")
    _same(_told(browser, "part", "posterior"), days, "biosphere", at)


def test_a_click_in_the_chart_moves_time(page):
    browser = page("&a=region:WEST")
    browser.wait(PANEL, 60)
    box = browser.run(
        "(() => { const b = document.querySelector('#panel-chart svg.graph').getBoundingClientRect();"
        " return [b.left, b.top, b.width, b.height] })()"
    )
    _frame(browser, lambda: browser.click(box[0] + box[2] - 14, box[1] + box[3] / 2))
    assert browser.run("document.querySelector('#utc').textContent") == "2024-07-15 23:00"


def test_a_cell_and_a_drawn_polygon_tell_the_totals_of_the_server(server, page):
    browser = page()
    _choose(browser, "mode", "cell")
    _clicked(browser, 118.52, 28.47)
    told = _get(server, "series", point="118.5,28.5", sector="net", freq="all")
    _same(_told(browser, "whole", "posterior"), told)
    _choose(browser, "mode", "polygon")
    assert not browser.run("document.querySelector('#drawing').hidden")
    browser.run("delete document.querySelector('#panel').dataset.ready")
    for corner in RING:
        browser.click(*browser.run(f"tianyan.project({corner[0]}, {corner[1]})"))
        browser.rest(0.4)
    browser.key("Enter", 13)
    browser.wait(PANEL, 60)
    drawn = browser.run("new URL(document.querySelector('#files a').href).searchParams.get('polygon')")
    corners = json.loads(drawn)["coordinates"][0]
    assert np.allclose(corners[:-1], RING, atol=0.02)
    _same(_told(browser, "whole", "posterior"), _get(server, "series", polygon=drawn, sector="net", freq="all"))
    # a drawing that is given up leaves the area as it was
    browser.click(*browser.run("tianyan.project(118.5, 28.5)"))
    browser.key("Escape", 27)
    assert browser.run("document.querySelector('#drawing').hidden")
    assert "polygon" in browser.run("location.hash")


def test_all_files_can_be_taken_and_are_of_this_version(server, page):
    browser = page("&a=region:EAST")
    browser.wait(PANEL, 60)
    links = browser.run("[...document.querySelectorAll('#files a, #map-files a')].map((a) => a.href)")
    assert len(links) == 7
    version = json.load(urllib.request.urlopen(f"{server.url}/api/metadata"))["version"]
    for link in links:
        with urllib.request.urlopen(link) as answer:
            assert answer.status == 200
            assert answer.headers["X-Tianyan-Version"] == version
            assert answer.read(16)


def test_a_region_is_found_by_its_name(page):
    browser = page()
    browser.run("document.querySelector('#search').focus()")
    browser.type("eas")
    browser.wait("!document.querySelector('#found').hidden")
    browser.key("Enter", 13)
    browser.wait("location.hash.includes('region:EAST')")
    assert browser.run("document.querySelector('#panel-name').textContent") == "east"


def test_what_the_server_refuses_is_told_with_its_remedy(server, page):
    browser = page("&a=point:10.5,10.5")
    text = browser.wait("document.querySelector('.toast')?.textContent", 30)
    with pytest.raises(urllib.error.HTTPError) as refused:
        _get(server, "series", point="10.5,10.5", freq="all")
    told = json.load(refused.value)["error"]
    assert told["rule"] in text
    assert told["remedy"] in text
    assert browser.run("document.querySelector('#panel').hidden")
    # the browser writes the refused answers down by itself
    browser.events[:] = [e for e in browser.events if e["method"] != "Log.entryAdded"]


def test_the_language_changes_and_is_kept(page):
    browser = page()
    assert browser.run("document.querySelector('h1').textContent").startswith("Tianyan")
    browser.tap("#language")
    assert browser.run("document.querySelector('h1').textContent").startswith("天眼")
    assert browser.run("document.documentElement.lang") == "zh-CN"
    assert "后验" in browser.run("document.querySelector('#layers').textContent")
    page(query="")
    assert browser.run("document.querySelector('h1').textContent").startswith("天眼")
    browser.tap("#language")


def test_a_link_shows_the_same_again(page):
    browser = page("&s=biosphere&l=flux_change&a=region:WEST&f=day&m=118.6,28.4,8.50")
    browser.wait(PANEL, 60)
    checked = "[...document.querySelectorAll('input[type=radio]:checked')].map((i) => i.value)"
    assert {"biosphere", "flux_change", "day"} <= set(browser.run(checked))
    browser.tap("#back")
    browser.wait("location.hash.includes('t=2024-07-15T07Z')")
    for part in ("s=biosphere", "l=flux_change", "a=region:WEST", "f=day", "m=118.6,28.4,8.5"):
        assert part in browser.run("location.hash")


def test_a_phone_has_all_of_it(page):
    browser = page("&a=region:WEST", size=(390, 844), phone=True)
    browser.wait(PANEL, 60)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run("getComputedStyle(document.querySelector('#controls')).display") == "none"
    sheet = browser.run("document.querySelector('#panel').getBoundingClientRect().toJSON()")
    assert (sheet["left"], sheet["width"]) == (0, 390)
    browser.tap("#panel-close")
    browser.tap("#menu")
    assert browser.run("document.querySelector('#controls').classList.contains('open')")
    small = browser.run(
        "[...document.querySelectorAll('button, .choice label, .tick-box, #search, #date')]"
        ".filter((n) => n.checkVisibility() && n.getBoundingClientRect().height < 39.5).map((n) => n.outerHTML)"
    )
    assert small == []


def test_without_webgl_the_server_draws_the_map(page):
    browser = page(query="lang=en&fallback=1")
    browser.wait("document.querySelector('.picture').naturalWidth > 0", 40)
    assert "WebGL" in browser.run("document.querySelector('#no-webgl').textContent")
    _frame(browser, lambda: _choose(browser, "layer", "flux_posterior_std"))
    assert "layer=flux_posterior_std" in browser.run("document.querySelector('.picture').src")
    browser.run(
        "(() => { const s = document.querySelector('#region-select'); s.value = 'EAST';"
        " s.dispatchEvent(new Event('change')) })()"
    )
    browser.wait(PANEL, 60)
    assert browser.run("document.querySelector('#panel-name').textContent") == "east"
