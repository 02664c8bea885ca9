"""The `tianyan` command, run in this process."""

import sys

from pipeline import cli


def command(monkeypatch, *words):
    """Run `tianyan` with some words; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["tianyan", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0
