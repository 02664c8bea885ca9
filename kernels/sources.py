"""Which kernel sources a package's numbers come from: the modules it imports, and those that they import."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

import numba

_HERE = Path(__file__).parent


def closure_digest(paths: Iterable[Path]) -> str:
    """Return a digest of some sources, of every kernel module that they import, and of the compiler's version.

    An edit of a kernel that they do not reach leaves it as it is.

    Parameters
    ----------
    paths
        Python files.
    """
    todo = sorted(paths)
    seen = set(todo)
    while todo:
        for path in _imported(todo.pop()):
            if path not in seen:
                seen.add(path)
                todo.append(path)
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(seen, key=lambda path: (path.parent.name, path.name)):
        digest.update(f"{path.parent.name}/{path.name}".encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _imported(path: Path) -> list[Path]:
    """Return the files of the kernel modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = [_HERE / f"{name.split('.')[1]}.py" for name in names if name.startswith("kernels.")]
    return sorted(file for file in found if file.is_file())
