"""Paths as words of unit files and of crontabs, each by its own rules."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from pipeline.errors import ConfigError


def unit_word(text: str) -> str:
    """Return one word of a unit file that stands for a text.

    Quotes as in a shell (systemd.syntax(7)); % begins a specifier, so it is doubled. Variables are not replaced where
    a command begins with a colon.

    Raises
    ------
    ConfigError
        When the text has a backslash, a control character, or bytes that are not UTF-8.

    Examples
    --------
    >>> print(unit_word("/data/50 %/case.toml"), unit_word("/data/case.toml"))
    '/data/50 %%/case.toml' /data/case.toml
    """
    return shlex.quote(_plain(text, "a unit file")).replace("%", "%%")


def unit_words(texts: Iterable[str]) -> str:
    """Return texts as words of one line of a unit file."""
    return " ".join(unit_word(text) for text in texts)


def cron_command(words: Iterable[str]) -> str:
    r"""Return a command as a crontab has it: a line for the shell in which cron takes no % for the end of a line.

    Raises
    ------
    ConfigError
        When a word has a backslash, a control character, or bytes that are not UTF-8.

    Examples
    --------
    >>> print(cron_command(["/opt/tianyan", "run-due", "--case", "/data/50 %/case.toml"]))
    /opt/tianyan run-due --case '/data/50 \%/case.toml'
    """
    return shlex.join(_plain(word, "a crontab") for word in words).replace("%", r"\%")


def _plain(text: str, where: str) -> str:
    # of backslashes, options of a unit and programs called cron each have a rule of their own
    ours = text and "\\" not in text and all(c.isprintable() for c in text)
    if not ours:
        raise ConfigError(
            f"a path in {where} must have no backslash, no control character, and be UTF-8",
            got=text,
            remedy="give the file or folder another name",
            where="install",
        )
    return text
