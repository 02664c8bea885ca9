"""The packages in use are ours."""

import os
import subprocess
import sys
from pathlib import Path

import pipeline

ROOT = Path(pipeline.__file__).resolve().parents[1]


def test_a_foreign_kernels_module_is_refused_by_name(tmp_path):
    (tmp_path / "kernels.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", "import pipeline"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "the package 'kernels' must be the one of carbon-tianyan" in done.stderr
    assert "kernels.py" in done.stderr
