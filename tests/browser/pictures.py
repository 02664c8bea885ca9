"""Pictures of the page as people see it: python tests/browser/pictures.py URL FOLDER [HOUR]."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from browser.chromium import Browser, installed

SETTLED = "window.tianyan?.ready && document.body.classList.contains('settled')"
PANEL = "document.querySelector('#panel').dataset.ready"
DESKTOP, PHONE = (1440, 900), (390, 844)
PATIENCE = 90.0


@contextmanager
def opened(browser: Browser, url: str, size: tuple[int, int]) -> Iterator[Browser]:
    """A page at rest."""
    browser.size(*size, phone=size == PHONE)
    browser.open(url)
    browser.wait(SETTLED, PATIENCE)
    browser.rest(2)
    yield browser


def take(url: str, folder: Path, hour: str | None) -> None:
    """Write all of them, and print how long the first map and a change of hour took."""
    folder.mkdir(parents=True, exist_ok=True)
    metadata = json.load(urllib.request.urlopen(f"{url}/api/metadata"))
    regions = json.load(urllib.request.urlopen(f"{url}/api/regions"))["regions"]
    cities = [region for region in regions if region["level"] == "city"] or regions
    west, south, east, north = metadata["grid"]["lonlat_bounds"]
    place = lambda x, y: f"{west + x * (east - west):.3f},{south + y * (north - south):.3f}"  # noqa: E731
    ring = ";".join(place(*corner) for corner in ((0.35, 0.5), (0.55, 0.48), (0.6, 0.75), (0.4, 0.8)))
    time = f"t={hour}&" if hour else ""
    city = f"{time}a=region:{cities[0]['id']}" if cities else f"{time}a=point:{place(0.5, 0.5)}"
    pages = {
        "desktop-zh": (f"?lang=zh#{time}", DESKTOP, False),
        "desktop-en-area": (f"?lang=en#{city}", DESKTOP, True),
        "desktop-zh-polygon-sigma": (f"?lang=zh#{time}l=flux_posterior_std&a=polygon:{ring}", DESKTOP, True),
        "phone-zh": (f"?lang=zh#{time}", PHONE, False),
        "phone-zh-area": (f"?lang=zh#{city}", PHONE, True),
        "fallback-zh": (f"?lang=zh&fallback=1#{city}", DESKTOP, True),
    }
    for name, (query, size, panel) in pages.items():
        # a browser of its own for each: nothing is kept from the one before
        with Browser(installed()) as browser, opened(browser, f"{url}/{query}", size):
            if panel:
                browser.wait(PANEL, PATIENCE)
                browser.rest(1)
            browser.picture(folder / f"{name}.png")
            paint = browser.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            first = browser.run("tianyan.first")
            frames = [_step(browser) for _ in range(6)]
            print(f"{name}: first paint {paint:.0f} ms, map {first:.0f} ms, frames {frames} ms", flush=True)
            if name == "desktop-zh":
                station(browser, folder / "desktop-zh-station.png")


def _step(browser: Browser) -> int:
    """Milliseconds of one hour back."""
    browser.run("tianyan.frame = null")
    browser.run("document.querySelector('#back').click()")
    browser.wait("tianyan.frame !== null")
    browser.rest(0.8)
    return round(browser.run("tianyan.frame"))


def station(browser: Browser, path: Path) -> None:
    """The first station of the hour, opened."""
    url, hour = browser.run("[location.origin, new URLSearchParams(location.hash.slice(1)).get('t')]")
    stations = json.load(urllib.request.urlopen(f"{url}/api/stations?hour={hour}"))["stations"]
    if not stations:
        return
    browser.click(*browser.run(f"tianyan.project({stations[0]['lon']}, {stations[0]['lat']})"))
    browser.rest(3)
    browser.picture(path)


if __name__ == "__main__":
    take(sys.argv[1].rstrip("/"), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
