"""tianyan: greenhouse-gas measurements to maps of emission and uptake, hourly, with honest uncertainty."""

from pipeline._version import __version__

__all__ = ["__version__"]
