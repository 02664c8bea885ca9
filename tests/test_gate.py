"""The gate of CI lets kernels pass as they are, and none that lost what makes it fast. Only ratios are judged."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import gate
from benchmarks.box import kernels as box
from benchmarks.box.kernels import Measured
from kernels import exponential, lanes, quality

#: kernels whose loops over lanes or cells the compiler turns into vectors
# lanes.gather gains too little by vectors to be told from noise on a busy machine
VECTORISED = (
    "lanes.smooth_x", "lanes.smooth_y", "tangent.smooth_x", "noise.deviates", "elementary.exp2, log2",
    "langevin.sub_step",
)  # fmt: skip


@pytest.fixture(scope="module")
def cases():
    return {case.name: case for case in gate.gated()}


def test_every_kernel_reaches_what_it_must(cases):
    found, short = gate.judge(cases.values())
    assert short == []
    assert [one.name for one in found] == list(gate.LEAST)


def test_every_case_with_a_plain_side_is_gated_or_too_near_to_it():
    """What is left out is slower than, or level with, what it is held against, or has nothing to be held against."""
    out = {case.name for case in box.cases("tiny")} - set(gate.LEAST)
    assert out == {"inversion of a small window", "quality.flat_windows", "particles.trace, 3 receptors"}


def test_a_kernel_that_runs_as_python_is_stopped(cases, monkeypatch):
    monkeypatch.setattr(gate, "ATTEMPTS", 1)
    monkeypatch.setattr(gate, "ROUNDS", 1)
    field = np.random.default_rng(1).standard_normal((1, 24, 170 * 177))
    steps = np.full(24, 0.8), np.full(24, 0.6)
    n = 2000
    arrays = np.arange(n, dtype=float), np.zeros(n, np.int64), np.ones(n), np.ones(n)
    slow = {
        "exponential.forward": lambda: exponential.forward_serial.py_func(field, *steps),
        "quality.rises": lambda: quality.rises.py_func(*arrays, 3.0, 30.0, np.empty(n, bool)),
    }
    for name, call in slow.items():
        # a part of the work is enough to show it
        part = field.size / (24 * 170 * 177) if name.startswith("exp") else n / 100_000
        case = dataclasses.replace(cases[name], ours=call, bytes=cases[name].bytes * part)
        _, short = gate.judge([case])
        assert short, f"{name} as Python passes"
        assert all(line.startswith(name) for line in short)


def test_kernels_that_no_longer_vectorise_are_stopped(tmp_path):
    """The same kernels, built by a compiler that is told to leave loops as they are."""
    code = (
        "import json, sys\nfrom benchmarks import gate\n"
        f"names = {VECTORISED!r}\n"
        "cases = [case for case in gate.gated() if case.name in names]\n"
        "gate.ATTEMPTS = 2\n"
        "print(json.dumps(sorted({line.split(':')[0] for line in gate.judge(cases)[1]})))"
    )
    told = {"NUMBA_LOOP_VECTORIZE": "0", "NUMBA_SLP_VECTORIZE": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(VECTORISED)).replace("'", '"')


def test_lanes_that_are_apart_in_memory_are_stopped(cases):
    """A layout that costs the vectors: the lane as the first axis of what is stored."""
    apart = np.zeros((lanes.LANES, 170, 177), np.float32).transpose(1, 2, 0)
    decay, gain = (one.astype(np.float32) for one in exponential.coefficients(np.full(176, 0.15)))
    case = dataclasses.replace(cases["lanes.smooth_x"], ours=lambda: lanes.smooth_x(apart, decay, gain))
    assert gate.judge([case])[1]


def test_what_falls_short_is_told_with_both_numbers():
    found = Measured("lanes.gather", "map by map", 1.0, 0.5, 0.0, 0.5, 1.0, 0.1, 0.0, 0.0)
    least = gate.Least(ratio=1.0, of_triad=0.2)
    assert least.shortfalls(found) == [
        "lanes.gather: 0.50 times faster than map by map, at least 1",
        "lanes.gather: 0.10 of the triad's bandwidth, at least 0.2",
    ]
    assert gate.Least().shortfalls(found) == []


def test_a_ratio_spoiled_once_is_measured_again(cases, monkeypatch):
    true, tries = box.measure, []

    def spoiled(case, machine, rounds):
        tries.append(case.name)
        found = true(case, machine, rounds)
        return found if len(tries) > 1 else dataclasses.replace(found, ratio=0.0)

    monkeypatch.setattr(box, "measure", spoiled)
    assert gate.judge([cases["noise.deviates"]])[1] == []
    assert len(tries) >= 2
