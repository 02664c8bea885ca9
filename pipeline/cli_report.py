"""`tianyan report`: a month of a store as one HTML page, and as PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipeline.cli_query import Language

#: browsers that can print a page without a screen, by their names on the PATH
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: seconds a browser may take
_PATIENCE = 120


def report(
    store: Path,
    *,
    month: Annotated[str, Parameter(help="2024-07 (UTC)")],
    output: Annotated[
        Path | None, Parameter(name=("--output", "-o"), help="the .html to write; report-MONTH.html when not given")
    ] = None,
    language: Language = "en",
    pdf: Annotated[bool, Parameter(negative=(), help="write a .pdf beside it, printed by chromium")] = False,
) -> None:
    """Write the report of a month: totals, maps, cities, counties, days, hours, and what the numbers mean.

    It is one HTML file with its pictures inside, to be read in a browser, printed and handed on. For example:

    `tianyan report live/service --month 2024-07 --language zh --output july.html --pdf`

    Parameters
    ----------
    store
        Folder of the store: of the hourly service, or of a run.
    """
    from pipeline.answers import open_source
    from pipeline.answers.export import require_ending
    from pipeline.report import report as report_of
    from pipeline.report_month import month_of

    month_of(month)
    path = output or Path(f"report-{month}.html")
    require_ending(path, path.suffix.lower(), [".html"])
    source = open_source(store)
    try:
        page = report_of(source, month, language)
    finally:
        source.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    print(f"report: {path}")
    if pdf:
        print_page(path, path.with_suffix(".pdf"))
        print(f"pdf:    {path.with_suffix('.pdf')}")


def print_page(page: Path, path: Path) -> None:
    """Let a browser print a page to a PDF.

    Parameters
    ----------
    page
        HTML of ours: no scripts, and nothing it would fetch.
    path
        The PDF; replaced when it is there.

    Raises
    ------
    ConfigError
        When no browser is on the PATH, or it does not print.
    """
    import shutil
    import subprocess
    import tempfile

    from pipeline.errors import ConfigError

    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise ConfigError(
            "a PDF is printed by a browser on the PATH",
            got=f"none of {', '.join(BROWSERS)}",
            remedy=f"install chromium, or open {page} in any browser and print it",
            where="--pdf",
        )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "page.pdf"
        # containers and root have no sandbox of Chromium's; the page runs nothing
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        words += [f"--user-data-dir={folder}/profile", f"--print-to-pdf={made}", page.resolve().as_uri()]
        try:
            done = subprocess.run([browser, *words], capture_output=True, text=True, timeout=_PATIENCE, check=False)
            told = done.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            told = [f"nothing in {_PATIENCE} s"]
        if not made.is_file() or not made.read_bytes().startswith(b"%PDF"):
            raise ConfigError(
                "the browser must print the page",
                got=told[-1] if told else "no file",
                remedy=f"open {page} in any browser and print it",
                where="--pdf",
            )
        shutil.move(made, path)
