"""Units and crontab lines say what was meant, whatever a path is called, and are taken by systemd."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from served_case import served

from pipeline.errors import ConfigError
from pipeline.service import install
from pipeline.service.place import read_place
from pipeline.service.quoting import cron_command, unit_words

ODD = "a b %h 100%% 'c' \"d\" 数据 $HOME ;e"
ANALYZE = shutil.which("systemd-analyze")
needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")


def command_in(folder):
    """A stand-in for the command, which must be a program for systemd to take it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tianyan"
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def words_of(line):
    """The words of a unit's line by systemd.syntax(7): quotes as in a shell, %% for %."""
    return [word.replace("%%", "%") for word in shlex.split(line)]


def option(text, name):
    found = re.findall(rf"^{name}=(.*)$", text, flags=re.MULTILINE)
    return found[0] if found else None


def plan_in(folder, *, user=False, listener=None, every=15):
    place = served(folder / ODD)
    command = command_in(folder / "env x")
    plan = install.planned(place, command, folder / "units", user=user, every=every, listener=listener)
    return place, command, plan


def texts(plan):
    return {path.name: text for path, text in plan.files.items()}


@pytest.mark.parametrize("user", [False, True])
def test_a_unit_calls_this_command_with_this_case_whatever_they_are_called(tmp_path, user):
    place, command, plan = plan_in(tmp_path, user=user)
    line = option(texts(plan)["tianyan-tacolneston.service"], "ExecStart")
    assert line.startswith(":")
    assert words_of(line[1:]) == [str(command), "run-due", "--case", str(place.path), "--log"]
    # every % that is not doubled would be a specifier
    assert "%" not in line.replace("%%", "")


def test_only_folders_the_service_writes_to_are_writable(tmp_path):
    place, _, plan = plan_in(tmp_path, listener=tmp_path / "in box")
    units = texts(plan)
    assert words_of(option(units["tianyan-tacolneston.service"], "ReadWritePaths")) == [str(place.folder)]
    assert words_of(option(units["tianyan-tacolneston-listen.service"], "ReadWritePaths")) == [str(tmp_path / "in box")]
    assert set(plan.folders) == {place.folder, tmp_path / "in box"}


def test_the_batch_has_no_network_and_may_still_leave_it(tmp_path):
    _, _, plan = plan_in(tmp_path, listener=tmp_path / "inbox")
    batch = texts(plan)["tianyan-tacolneston.service"]
    assert option(batch, "RestrictAddressFamilies") == "AF_UNIX"
    assert option(batch, "PrivateNetwork") == "yes"
    # pipeline.ingest.sandbox_child: unshare(CLONE_NEWUSER | CLONE_NEWNET)
    assert option(batch, "RestrictNamespaces") == "user net"
    listener = texts(plan)["tianyan-tacolneston-listen.service"]
    assert option(listener, "PrivateNetwork") == "no"
    assert option(listener, "Restart") == "always"


def test_a_users_units_ask_for_nothing_a_users_manager_cannot_do(tmp_path):
    _, _, plan = plan_in(tmp_path, user=True)
    text = texts(plan)["tianyan-tacolneston.service"]
    assert option(text, "NoNewPrivileges") == "yes"
    assert not re.search(r"^(User|Protect\w+|Private\w+|ReadWritePaths|CapabilityBoundingSet)=", text, re.MULTILINE)
    assert all(command[:2] == ("systemctl", "--user") for command in plan.commands)


def test_the_services_owner_runs_it(tmp_path):
    place, _, plan = plan_in(tmp_path)
    owner = option(texts(plan)["tianyan-tacolneston.service"], "User")
    assert subprocess.run(["id", "-u", owner], capture_output=True, text=True, check=True).stdout.strip() == str(
        place.path.stat().st_uid
    )


@pytest.mark.parametrize(("every", "when"), [(15, "*:0/15"), (60, "*:00"), (5, "*:0/5")])
def test_the_timer_runs_at_fixed_minutes_and_once_after_a_pause(tmp_path, every, when):
    _, _, plan = plan_in(tmp_path, every=every)
    timer = texts(plan)["tianyan-tacolneston.timer"]
    assert option(timer, "OnCalendar") == when
    assert option(timer, "Persistent") == "true"
    if ANALYZE:
        subprocess.run([ANALYZE, "calendar", when], check=True, capture_output=True)


@pytest.mark.parametrize("user", [False, True])
def test_a_batch_that_fetches_has_a_network_and_may_write_to_the_inbox(tmp_path, user):
    path = served(tmp_path).path
    fetch = '[[service.fetch]]\nname = "towers"\ncommand = ["rclone"]\n'
    path.write_text(path.read_text(encoding="utf-8") + fetch, encoding="utf-8")
    place = read_place(path)
    plan = install.planned(place, command_in(tmp_path / "bin"), tmp_path / "units", user=user)
    batch = texts(plan)["tianyan-tacolneston.service"]
    assert option(batch, "RestrictAddressFamilies") == "AF_UNIX AF_INET AF_INET6"
    if not user:
        assert option(batch, "PrivateNetwork") == "no"
        assert words_of(option(batch, "ReadWritePaths")) == [str(place.folder), str(place.root)]


@needs_analyze
@pytest.mark.parametrize("user", [False, True])
def test_systemd_takes_every_unit(tmp_path, user):
    _, _, plan = plan_in(tmp_path, user=user, listener=tmp_path / ODD / "inbox")
    for path, text in plan.files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    done = subprocess.run(
        [ANALYZE, "verify", *(["--user"] if user else []), *map(str, plan.files)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "SYSTEMD_UNIT_PATH": f"{tmp_path / 'units'}:"},
    )
    ours = [line for line in done.stderr.splitlines() if "tianyan" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@needs_analyze
def test_systemd_would_tell_of_a_command_that_is_not_there(tmp_path):
    """What the check before this one is worth: it finds the path by systemd's own rules of quoting."""
    _, command, plan = plan_in(tmp_path)
    command.unlink()
    ((path, text),) = [(p, t) for p, t in plan.files.items() if p.suffix == ".service"]
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    done = subprocess.run([ANALYZE, "verify", str(path)], capture_output=True, text=True, check=False)
    assert str(command) in done.stderr


@pytest.mark.parametrize("bad", ["back\\slash", "new\nline", "\udcff", ""])
def test_a_path_that_cannot_be_written_safely_is_refused(bad):
    for write in (unit_words, cron_command):
        with pytest.raises(ConfigError, match="no backslash, no control character"):
            write([bad])


def test_a_crontab_line_calls_this_command_with_this_case_whatever_they_are_called(tmp_path):
    place = served(tmp_path / ODD)
    command = tmp_path / "bin %" / "tianyan"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done >&2\n', encoding="utf-8")
    command.chmod(0o755)
    line = install.cron_line(place, 15, command)
    minute, hour, day, month, weekday, rest = line.split(" ", 5)
    assert (minute, hour, day, month, weekday) == ("*/15", "*", "*", "*", "*")
    # crontab(5): \% is a %, a bare one ends the command
    assert not re.search(r"(?<!\\)%", rest)
    done = subprocess.run(["/bin/sh", "-c", rest.replace(r"\%", "%")], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["run-due", "--case", str(place.path)]
    assert done.stdout == ""


@pytest.mark.parametrize("every", [0, 7, 25, 90, -15])
def test_an_interval_that_does_not_divide_an_hour_is_refused(tmp_path, every):
    with pytest.raises(ConfigError, match=f"must divide an hour; got {every}"):
        install.cron_line(served(tmp_path), every, Path("/bin/true"))


def test_an_interpreter_must_be_absolute_and_have_the_command_beside_it(tmp_path):
    with pytest.raises(ConfigError, match="absolute path; got 'python'"):
        install.command_of("python")
    with pytest.raises(ConfigError, match="beside the interpreter"):
        install.command_of(str(tmp_path / "python"))
    assert install.command_of(str(command_in(tmp_path).with_name("python"))) == tmp_path / "tianyan"


def test_a_unit_of_another_case_is_not_overwritten(tmp_path):
    _, command, plan = plan_in(tmp_path)
    install.carry_out(install.Plan(plan.files))
    other = served(tmp_path / "other")
    with pytest.raises(ConfigError, match="must be this case's"):
        install.planned(other, command, tmp_path / "units", user=False)
    with pytest.raises(ConfigError, match="must be this case's"):
        install.unplanned(other, tmp_path / "units", user=False)


def test_a_case_is_installed_again_and_taken_away_with_nothing_left(tmp_path):
    place, _, plan = plan_in(tmp_path, listener=tmp_path / "inbox")
    for _ in range(2):
        install.carry_out(install.Plan(plan.files, folders=plan.folders))
    assert place.folder.is_dir()
    found = install.unplanned(place, tmp_path / "units", user=False)
    assert {command[-1] for command in found.before} == {
        "tianyan-tacolneston.timer",
        "tianyan-tacolneston-listen.service",
    }
    install.carry_out(install.Plan(removed=found.removed))
    assert list((tmp_path / "units").iterdir()) == []
    assert place.folder.is_dir()
    with pytest.raises(ConfigError, match="units to take away"):
        install.unplanned(place, tmp_path / "units", user=False)


def test_an_unwritable_target_is_refused(tmp_path):
    (tmp_path / "units").write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"must be writable.*sudo, or give --user"):
        install.carry_out(install.Plan({tmp_path / "units" / "x.service": "text"}))


def test_what_systemd_says_is_passed_on():
    with pytest.raises(ConfigError, match=r"systemd must accept the command; got 'no'.*look at `sh"):
        install.carry_out(install.Plan(commands=(("sh", "-c", "echo no >&2; exit 1"),)))


def tianyan(*words, home):
    environment = {**os.environ, "XDG_CONFIG_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "service", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_a_dry_run_prints_every_file_and_command_and_writes_nothing(tmp_path):
    place = served(tmp_path / "case")
    before = sorted(tmp_path.rglob("*"))
    done = tianyan("install", "--case", str(place.path), "--user", "--dry-run", home=tmp_path / "config")
    assert done.returncode == 0, done.stderr
    for name in ("tianyan-tacolneston.service", "tianyan-tacolneston.timer"):
        assert f"# write: {tmp_path}/config/systemd/user/{name}\n" in done.stdout
    assert "# run: systemctl --user restart tianyan-tacolneston.timer" in done.stdout
    assert f"# make: {place.folder}" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_without_systemd_the_crontab_line_is_printed_and_nothing_installed(tmp_path):
    if install.has_systemd():
        pytest.skip("systemd runs this machine")
    place = served(tmp_path / "case")
    done = tianyan("install", "--case", str(place.path), "--user", home=tmp_path / "config")
    assert done.returncode == 1
    assert "nothing is installed" in done.stdout
    line = tianyan("cron", "--case", str(place.path), home=tmp_path).stdout
    assert line in done.stdout
    assert not (tmp_path / "config").exists()


def test_a_case_without_its_sections_is_refused(tmp_path):
    path = tmp_path / "case.toml"
    text = (Path(__file__).resolve().parents[3] / "workflows" / "tacolneston.toml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    for command in (["install"], ["uninstall"], ["cron"], ["backup", str(tmp_path / "backup")]):
        done = tianyan(*command, "--case", str(path), home=tmp_path)
        assert done.returncode == 2
        assert "must have a section [service]" in done.stderr


@needs_analyze
def test_the_readers_of_foreign_files_start_and_leave_the_network_under_the_units_filter(tmp_path):
    (tmp_path / "probe.py").write_text(
        "from pipeline.ingest import sandbox\n"
        "one = sandbox.Sandbox()\n"
        "one._started()\n"
        "print(one.network_cut)\n"
        "one.close()\n",
        encoding="utf-8",
    )
    filtered = Path(__file__).resolve().parents[2] / "system_filter.py"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    said = []
    for command in (["-m", "probe"], [str(filtered), "probe"]):
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False, timeout=120, env=environment
        )
        if "libseccomp" in done.stderr:
            pytest.skip("needs libseccomp")
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == said[1]


@needs_analyze
def test_the_units_filter_is_the_one_that_was_tried(tmp_path):
    _, _, plan = plan_in(tmp_path)
    assert option(texts(plan)["tianyan-tacolneston.service"], "SystemCallFilter") == "@system-service"
