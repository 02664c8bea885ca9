"""The files that start workers on a cluster are what their readers take, and run a command `tianyan` has."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from pipeline.cli import app

FOLDER = Path(__file__).resolve().parents[2] / "workflows" / "dask"
#: of dask-jobqueue's own configuration file, of SLURM and PBS
KEYS = {
    "name", "cores", "memory", "processes", "interface", "local-directory", "worker-extra-args", "queue", "account",
    "walltime", "job-script-prologue", "log-directory", "scheduler-options",
}  # fmt: skip
OWN = {"slurm": {"job-cpu", "job-mem"}, "pbs": {"resource-spec"}}


def documents(name):
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def bound(words):
    """What the command of ours makes of its words; an unknown command or option raises."""
    assert words[0] == "tianyan"
    command, told, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    return command.__name__, told.arguments


@pytest.mark.parametrize("queue", ["slurm", "pbs"])
def test_the_file_of_a_queue_has_keys_that_dask_jobqueue_knows_and_runs_a_command_of_ours(queue):
    (found,) = documents(f"{queue}.yaml")
    mine = found["jobqueue"][queue]
    assert mine.keys() <= KEYS | OWN[queue]
    # one thread each: hours are made one at a time in a process
    assert mine["cores"] == mine["processes"]
    name, told = bound(shlex.split(found["tianyan"]["run"]))
    assert name == "reprocess"
    assert told["scheduler"] == f"tcp://HOST:{mine['scheduler-options']['port']}"
    # a worker ends before its job is ended
    hours, minutes, _ = map(int, mine["walltime"].split(":"))
    lifetime = [int(re.fullmatch(r"(\d+)m", word)[1]) for word in mine["worker-extra-args"][1::2]]
    assert sum(lifetime) < 60 * hours + minutes


def test_the_file_for_kubernetes_starts_a_cluster_and_a_job_of_ours_that_find_each_other_and_the_same_folder():
    cluster, job = documents("kubernetes.yaml")
    assert (cluster["apiVersion"], cluster["kind"]) == ("kubernetes.dask.org/v1", "DaskCluster")
    name = cluster["metadata"]["name"]
    assert cluster["spec"]["scheduler"]["service"]["selector"]["dask.org/cluster-name"] == name
    (container,) = job["spec"]["template"]["spec"]["containers"]
    command, told = bound(container["command"])
    assert command == "reprocess"
    port = cluster["spec"]["scheduler"]["spec"]["containers"][0]["ports"][0]["containerPort"]
    assert told["scheduler"] == f"tcp://{name}-scheduler:{port}"
    (worker,) = cluster["spec"]["worker"]["spec"]["containers"]
    assert worker["args"][worker["args"].index("--nthreads") + 1] == "1"
    mounts = [{one["mountPath"] for one in found["volumeMounts"]} for found in (worker, container)]
    # workers keep what is theirs alone elsewhere
    assert mounts == [{"/data", "/scratch"}, {"/data"}]
    assert told["case"].is_relative_to("/data")
    assert "/scratch" in worker["args"]
