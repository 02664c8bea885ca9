"""`tianyan service`: scheduling by systemd or cron; backup, restore and check come from files of their own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from pipeline.cli_backup import backup, restore
from pipeline.cli_check import check
from pipeline.cli_service import CaseFile

if TYPE_CHECKING:
    from pipeline.service.install import Plan

service = App(
    name="service",
    help=(
        "Let the hourly service run by itself (systemd or cron), back it up, and restore it.\n\n"
        "`tianyan service install --case case.toml --dry-run`\n\n"
        "docs/operations.md has the rest."
    ),
)
service.command(backup)
service.command(restore)
service.command(check)

User = Annotated[bool, Parameter(negative=(), help="units of this user, not of the machine")]
Dry = Annotated[bool, Parameter(negative=(), help="print what would be written and run, and do nothing")]
Every = Annotated[int, Parameter(help="minutes between two runs; must divide an hour")]


@service.command
def install(
    *,
    case: CaseFile = Path("case.toml"),
    user: User = False,
    dry_run: Dry = False,
    listener: Annotated[Path | None, Parameter(help="also start `tianyan listen` for this folder")] = None,
    every: Every = 15,
) -> None:
    """Let systemd call `tianyan run-due`, now and after every start of the machine.

    Writes a service and a timer named after case.name, and starts the timer. On a machine without systemd it prints the
    line for a crontab instead, with exit code 1. A case may be installed again: units are written anew.
    """
    from pipeline.service.install import carry_out, command_of, cron_line, has_systemd, planned, units_folder
    from pipeline.service.place import read_place

    place, command = read_place(case), command_of()
    plan = planned(place, command, units_folder(user=user), user=user, every=every, listener=listener)
    if dry_run:
        _print(plan)
    if not has_systemd():
        print("systemd does not run this machine, so nothing is installed; the line for a crontab (crontab -e):")
        print(cron_line(place, every, command))
        if not dry_run:
            sys.exit(1)
        return
    if dry_run:
        return
    carry_out(plan)
    for path in plan.files:
        print(f"written: {path}")
    if user:
        print("it runs while you are logged in; always: loginctl enable-linger")


@service.command
def uninstall(*, case: CaseFile = Path("case.toml"), user: User = False, dry_run: Dry = False) -> None:
    """Stop and take away the units of a case. Its data stay."""
    from pipeline.service.install import carry_out, units_folder, unplanned
    from pipeline.service.place import read_place

    plan = unplanned(read_place(case), units_folder(user=user), user=user)
    if dry_run:
        _print(plan)
        return
    carry_out(plan)
    for path in plan.removed:
        print(f"removed: {path}")


@service.command
def cron(*, case: CaseFile = Path("case.toml"), every: Every = 15) -> None:
    """Print the line for a crontab that calls `tianyan run-due`; the command itself lets no second one run."""
    from pipeline.service.install import command_of, cron_line
    from pipeline.service.place import read_place

    print(cron_line(read_place(case), every, command_of()))


def _print(plan: Plan) -> None:
    """Print what a plan would do, in its order."""
    for command in plan.before:
        print(f"# run: {shlex.join(command)}")
    for folder in plan.folders:
        if not folder.is_dir():
            print(f"# make: {folder}")
    for path, text in plan.files.items():
        print(f"# write: {path}\n{text}")
    for path in plan.removed:
        print(f"# remove: {path}")
    for command in plan.commands:
        print(f"# run: {shlex.join(command)}")
