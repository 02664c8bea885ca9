"""tianyan: greenhouse-gas measurements to maps of emission and uptake, hourly, with honest uncertainty.

Examples
--------
>>> import pipeline as ty
>>> ds = ty.open("live/service")  # xarray, the newest committed version  # doctest: +SKIP
>>> ty.query("live/service", "杭州", "2024-07", freq="day")  # totals with sigma  # doctest: +SKIP
"""

import importlib.util
from pathlib import Path
from typing import Any

from pipeline._version import __version__

__all__ = ["__version__", "open", "query"]


def _check_sibling(name: str, ours: Path) -> None:
    """Raise unless the top-level package `name` is the one that came with this one.

    Other distributions install a `kernels` and a `pipeline` too, and a kernels.py in the working folder shadows ours.
    """
    spec = importlib.util.find_spec(name)
    found = Path(spec.origin).resolve() if spec is not None and spec.origin else None
    if found != ours / name / "__init__.py":
        raise ImportError(
            f"the package {name!r} must be the one of carbon-tianyan; found {found}. "
            f"Remedy: run from a folder without {name}.py and uninstall other distributions that install {name!r}."
        )


for _name in ("kernels", "station_meta"):
    _check_sibling(_name, Path(__file__).resolve().parents[1])


def __getattr__(name: str) -> Any:
    # libraries of a second's import are loaded when first needed
    if name in ("open", "query"):
        answers = importlib.import_module("pipeline.answers")
        return getattr(answers, {"open": "open_dataset"}.get(name, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "open", "query"])
