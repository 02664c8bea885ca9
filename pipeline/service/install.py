"""Units of systemd that call the service of a case, and the line of a crontab that does.

Templates stand in `workflows/systemd`. A unit's name is that of its case: `tianyan-NAME.service`, `tianyan-NAME.timer`
and, for the listener, `tianyan-NAME-listen.service`.
"""

from __future__ import annotations

import importlib.resources
import os
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.service.place import Place
from pipeline.service.quoting import cron_command, unit_word, unit_words

SYSTEM_UNITS = Path("/etc/systemd/system")
#: made by systemd when it is what started the machine (sd_booted(3))
_BOOTED = Path("/run/systemd/system")
_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True)
class Plan:
    """What an installation writes and runs.

    Parameters
    ----------
    folders
        Made first, where they are missing: a sandbox can only open what is there.
    files
        Text of each unit, by its path.
    commands
        Run after the files are written.
    user
        Whether the units are those of a user.
    removed
        Units that are taken away.
    before
        Run before anything is taken away.
    """

    files: dict[Path, str] = field(default_factory=dict)
    commands: tuple[tuple[str, ...], ...] = ()
    folders: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    user: bool = False


def has_systemd() -> bool:
    """Return whether systemd runs this machine, and can be asked."""
    return shutil.which("systemctl") is not None and _BOOTED.is_dir()


def units_folder(*, user: bool) -> Path:
    """Return where the units of an administrator, or of a user, stand."""
    if not user:
        return SYSTEM_UNITS
    told = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(told) if told.startswith("/") else Path.home() / ".config") / "systemd" / "user"


def command_of(python: str = sys.executable) -> Path:
    """Return the `tianyan` beside an interpreter.

    Raises
    ------
    ConfigError
        When the interpreter's path is not absolute, or no command stands beside it.
    """
    if not python.startswith("/"):
        raise ConfigError(
            "the interpreter must be known by an absolute path",
            got=python,
            remedy="call tianyan by its absolute path",
            where="install",
        )
    found = Path(python).with_name("tianyan")
    if not os.access(found, os.X_OK):
        raise ConfigError(
            "a command tianyan must stand beside the interpreter",
            got=str(found),
            remedy="install the package with pip into this environment",
            where="install",
        )
    return found


def cron_line(place: Place, every: int, command: Path) -> str:
    """Return the line of a crontab that calls the service; what a run prints is dropped, what fails is mailed.

    Raises
    ------
    ConfigError
        When the interval does not divide an hour, or a path cannot be written there.
    """
    _require_interval(every)
    minutes = "0" if every == 60 else f"*/{every}"
    words = ["nice", str(command), "run-due", "--case", str(place.path)]
    return f"{minutes} * * * * {cron_command(words)} >/dev/null"


def planned(
    place: Place, command: Path, units: Path, *, user: bool, every: int = 15, listener: Path | None = None
) -> Plan:
    """Return what an installation would write and run.

    Parameters
    ----------
    command
        Of `command_of`.
    units
        Of `units_folder`.
    user
        Units of a user: they run when the user is logged in, or lingers.
    every
        Minutes between two runs.
    listener
        Folder of `tianyan listen`; none is started when not given.

    Raises
    ------
    ConfigError
        When the interval does not divide an hour, a path cannot be written, or the name is another case's.
    """
    _require_interval(every)
    name = place.settings.case.name
    # commands of the case bring deliveries, over the network
    fetches = bool(place.service.fetch)
    writes = [place.folder, *_transport(place), *([place.root] if fetches else [])]
    folders = [*writes, *([listener.absolute()] if listener else [])]
    words = {
        "NAME": name,
        "CASE": unit_word(str(place.path)),
        "TIANYAN": unit_word(str(command)),
        "WHEN": "*:00" if every == 60 else f"*:0/{every}",
        "TARGET": "default.target" if user else "multi-user.target",
        "USER": _owner(place),
    }
    files = {
        f"tianyan-{name}.service": _unit("run-due.service", place, writes, words, user=user, network=fetches),
        f"tianyan-{name}.timer": _filled("run-due.timer", words),
    }
    started = [f"tianyan-{name}.timer"]
    if listener:
        words["FOLDER"] = unit_word(str(listener.absolute()))
        files[f"tianyan-{name}-listen.service"] = _unit(
            "listen.service", place, [listener.absolute()], words, user=user, network=True
        )
        started.append(f"tianyan-{name}-listen.service")
    out = {units / file: text for file, text in files.items()}
    for path in out:
        _require_ours(path, words["CASE"])
    control = _systemctl(user=user)
    # one that runs already is to run as it is written now
    commands = ((*control, "daemon-reload"), (*control, "enable", *started), (*control, "restart", *started))
    return Plan(out, commands, tuple(folders), user=user)


def unplanned(place: Place, units: Path, *, user: bool) -> Plan:
    """Return what takes an installation away again: units alone, no data.

    Raises
    ------
    ConfigError
        When there are none, or they are another case's.
    """
    name = place.settings.case.name
    started = (f"tianyan-{name}.timer", f"tianyan-{name}-listen.service")
    found = [units / file for file in (*started, f"tianyan-{name}.service") if (units / file).exists()]
    if not found:
        raise ConfigError(
            "there must be units to take away",
            got=f"no tianyan-{name}.* in {units}",
            remedy="with --user or without, as they were installed",
            where="uninstall",
        )
    for path in found:
        _require_ours(path, unit_word(str(place.path)))
    control = _systemctl(user=user)
    before = tuple((*control, "disable", "--now", path.name) for path in found if path.name in started)
    return Plan(commands=((*control, "daemon-reload"),), removed=tuple(found), before=before, user=user)


def carry_out(plan: Plan) -> None:
    """Do what is planned.

    Raises
    ------
    ConfigError
        When a folder or file cannot be written, or systemd refuses.
    """
    for command in plan.before:
        _run(command)
    try:
        for folder in plan.folders:
            _make(folder)
        for path, text in plan.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.new")
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        for path in plan.removed:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            "units and folders of the service must be writable",
            got=str(error),
            remedy="look at its owner" if plan.user else "call it with sudo, or give --user",
            where="install",
        ) from error
    for command in plan.commands:
        _run(command)


def _unit(
    template: str, place: Place, writes: list[Path], words: dict[str, str], *, user: bool, network: bool = False
) -> str:
    needs = [place.path.parent, place.root, *writes]
    words = words | {
        "NEEDS": unit_words(dict.fromkeys(map(str, needs))),
        "WRITES": unit_words(dict.fromkeys(map(str, writes))),
        "PRIVATE_NETWORK": "no" if network else "yes",
        "FAMILIES": "AF_UNIX AF_INET AF_INET6" if network else "AF_UNIX",
        # a case that lies there would not be seen
        "PRIVATE_TMP": "no" if any(_is_temporary(path) for path in [*needs, Path(sys.prefix)]) else "yes",
    }
    words["FILTERS"] = _filled("filters.conf", words).rstrip()
    # a user's manager may not mount, and cannot take other rights away than its own
    words["SANDBOX"] = "" if user else _filled("sandbox.conf", words).rstrip()
    return _filled(template, words).rstrip() + "\n"


def _filled(template: str, words: dict[str, str]) -> str:
    text = (importlib.resources.files("workflows") / "systemd" / template).read_text(encoding="utf-8")
    return _PLACEHOLDER.sub(lambda found: words[found.group(1)], text)


def _transport(place: Place) -> list[Path]:
    """Return the folder of a case's footprints, if it makes any."""
    transport = place.settings.transport
    return [] if transport is None else [(place.path.parent / transport.folder).resolve()]


def _is_temporary(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in ("/tmp", "/var/tmp"))


def _owner(place: Place) -> str:
    """Return whose the service is: the owner of its folder, or of the case file as long as there is none."""
    number = (place.folder if place.folder.exists() else place.path).stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _make(folder: Path) -> None:
    """Make a folder; it belongs to whom the one above it belongs to."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir()
    above = folder.parent.stat()
    if os.geteuid() == 0:
        os.chown(folder, above.st_uid, above.st_gid)


def _require_interval(every: int) -> None:
    if not 1 <= every <= 60 or 60 % every:
        raise ConfigError(
            "minutes between two runs must divide an hour",
            got=every,
            remedy="give 5, 10, 12, 15, 20, 30 or 60",
            where="--every",
        )


def _require_ours(path: Path, case: str) -> None:
    """Raise when a unit is there that is not of this case."""
    if path.exists() and f"X-Tianyan-Case={case}" not in path.read_text(encoding="utf-8").splitlines():
        raise ConfigError(
            "a unit of this name must be this case's",
            got=str(path),
            remedy="give the case another case.name, or take the other unit away",
            where="install",
        )


def _systemctl(*, user: bool) -> tuple[str, ...]:
    return ("systemctl", "--user") if user else ("systemctl",)


def _run(command: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        said, failed = (done.stderr or done.stdout).strip(), done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, failed = str(error), True
    if failed:
        raise ConfigError(
            "systemd must accept the command",
            got=said,
            remedy=f"look at `{' '.join(command)}` by hand",
            where="install",
        )
