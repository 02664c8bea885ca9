"""The compiler's options live in one module, and its cache follows the sources."""

import os
import subprocess
import sys

import numba
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from kernels import jit


def test_the_thread_knob_says_what_is_in_force():
    before = numba.get_num_threads()
    try:
        assert jit.set_threads(1) == 1
        assert jit.set_threads(0) >= 1
        assert jit.set_threads(10**6) == jit.set_threads(0)
    finally:
        numba.set_num_threads(before)


def test_matrix_products_have_one_thread_while_it_is_asked_for_and_as_many_as_before_afterwards():
    def threads():
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        assert max(before) == 2
        with jit.one_blas_thread():
            assert threads() == {1}
        assert threads() == before


def test_the_cache_directory_carries_the_digest_of_the_sources(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    path = jit._cache_directory()
    assert path.parent == tmp_path
    assert path.name == f"kernels-{jit.source_digest()}"


def test_an_unwritable_cache_falls_back_to_a_private_folder(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path / "also" if False else blocked))
    monkeypatch.setattr(jit.tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    assert jit._cache_directory() == tmp_path / "carbon-tianyan-"


CHILD = """
import numpy as np
from kernels import exponential
field = np.arange(12.0).reshape(1, 4, 3)
exponential.forward(field, np.array([0, .5, .5, .5]), np.array([1, .8, .8, .8]))
print(repr(field.sum()))
"""


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled without the compiler")
def test_processes_that_start_together_on_a_cold_cache_agree(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    results = [child.communicate(timeout=120)[0] for child in children]
    assert all(child.returncode == 0 for child in children)
    assert len(set(results)) == 1
    assert results[0].strip()


def test_the_cores_counted_are_those_that_may_be_used():
    given = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(given)})
        assert jit.cores() == 1
    finally:
        os.sched_setaffinity(0, given)
    assert jit.cores() == len(given)
