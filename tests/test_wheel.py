"""A wheel installed in a clean environment imports every module and runs the command."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pipeline

ROOT = Path(__file__).resolve().parents[1]
BENCH = ["bench", "--size", "tiny", "--stations", "6"]
CHECK = """
import importlib, pkgutil, sys
names = []
for top in ("pipeline", "kernels", "station_meta", "workflows", "benchmarks.box"):
    package = importlib.import_module(top)
    assert "site-packages" in package.__file__, package.__file__
    names += [top] + [m.name for m in pkgutil.walk_packages(package.__path__, top + ".")]
# an extra's
without = ("workflows.dagster_", *sys.argv[1:])
names = [name for name in names if not name.startswith(without)]
for name in names:
    importlib.import_module(name)
import station_meta
assert len(station_meta.load()) > 100
print(len(names))
"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT))
    (path,) = folder.glob("carbon_tianyan-*.whl")
    return path


def test_the_wheel_holds_the_packages_and_their_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"pipeline", "kernels", "station_meta", "workflows", "benchmarks"}
    assert "station_meta/zhejiang_illustrative.csv" in names
    assert "workflows/tacolneston.toml" in names
    assert "workflows/systemd/run-due.timer" in names
    page = {name.rpartition("/")[2] for name in names if name.startswith("pipeline/serve/web/")}
    assert {"index.html", "main.mjs", "page.css", "vendor-maplibre.mjs", "vendor-zarr-layer.mjs"} <= page
    assert "vendor-licences.txt" in page


def installed(wheel, folder):
    """A clean environment with the wheel: its python and command, and what its processes are to see."""
    run(sys.executable, "-m", "venv", str(folder / "venv"))
    python, tianyan = folder / "venv" / "bin" / "python", folder / "venv" / "bin" / "tianyan"
    run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    return python, tianyan, environment


def test_a_clean_installation_imports_every_module_and_runs(wheel, tmp_path):
    python, tianyan, environment = installed(wheel, tmp_path)
    count = run(str(python), "-c", CHECK, "pipeline.serve", cwd=tmp_path, env=environment)
    assert int(count) > 20
    assert run(str(tianyan), "--version", cwd=tmp_path).strip() == pipeline.__version__
    assert "config" in run(str(tianyan), "--help", cwd=tmp_path)
    refused = subprocess.run([tianyan, "serve", "a"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert "pip install 'carbon-tianyan[serve]'" in refused.stderr
    run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[serve]")
    assert int(run(str(python), "-c", CHECK, cwd=tmp_path, env=environment)) > int(count)
    refused = subprocess.run([tianyan, *BENCH], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert "pip install 'carbon-tianyan[zhejiang]'" in refused.stderr


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="minutes; `make soak` runs it (SOAK=1)")
def test_the_bench_of_a_clean_installation_runs(wheel, tmp_path):
    _, tianyan, environment = installed(f"{wheel}[zhejiang]", tmp_path)
    # none of the checkout's modules, whatever the folder is called that it is started in
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise ImportError('the wrong one')")
    assert "keeps up: an hour of 6 stations" in run(str(tianyan), *BENCH, cwd=tmp_path, env=environment)
