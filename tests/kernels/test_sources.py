"""The digest of code follows imports: what is reached counts, what is not does not."""

import pytest

from kernels import sources


@pytest.fixture
def tree(tmp_path, monkeypatch):
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    (kernels / "a.py").write_text("from kernels import b\n")
    (kernels / "b.py").write_text("from kernels.c import thing\n")
    (kernels / "c.py").write_text("thing = 1\n")
    (kernels / "apart.py").write_text("from kernels import a\n")
    (tmp_path / "user.py").write_text("import numpy\nfrom kernels.a import something\n")
    monkeypatch.setattr(sources, "_HERE", kernels)
    return tmp_path


@pytest.mark.parametrize(("name", "counts"), [("a", True), ("b", True), ("c", True), ("apart", False)])
def test_an_edit_counts_when_it_is_reached(tree, name, counts):
    before = sources.closure_digest([tree / "user.py"])
    path = tree / "kernels" / f"{name}.py"
    path.write_text(path.read_text() + "x = 2\n")
    assert (sources.closure_digest([tree / "user.py"]) != before) == counts


def test_modules_that_import_each_other_end():
    assert len(sources.closure_digest([sources._HERE / "particles.py"])) == 16
