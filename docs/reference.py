"""Write docs/reference: the public names of the packages, the commands, and the keys of a case file.

    python docs/reference.py

Names are those of each package's `__all__`; signatures and docstrings are read from the sources and kept as they are.
Nothing of a package is imported for that, so the pages do not depend on versions of libraries. Tools that render
Markdown from docstrings (griffe2md, pydoc-markdown, lazydocs) bring a formatter and a template engine of their own and
rewrite numpy's sections as tables; what is wanted here is less than a page of code. The page of the commands is made by
Cyclopts, which knows them. `tests/test_reference.py` holds the committed pages against what is written now.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).resolve().parent / "reference"
PACKAGES = (
    "pipeline", "pipeline.answers", "pipeline.grid", "pipeline.ingest", "pipeline.inversion", "pipeline.transport",
    "station_meta",
)  # fmt: skip
#: names that a package gives when they are first asked for, and whose they are
LAZY = {"pipeline": {"open": ("pipeline.answers", "open_dataset"), "query": ("pipeline.answers", "query")}}
_MADE = "<!-- written by `python docs/reference.py`; do not edit -->\n\n"


def pages() -> dict[str, str]:
    """Return every page by its name."""
    found = {f"{name}.md": _package(name) for name in PACKAGES}
    found["commands.md"] = _commands()
    found["case.md"] = _keys()
    lines = [f"- [`{name}`]({name}.md): {_first(_docstring(_tree(_file(name))))}" for name in PACKAGES]
    lines += [
        "- [commands](commands.md): `tianyan` and its options",
        "- [keys of a case file](case.md): as `tianyan config explain` has them",
    ]
    found["README.md"] = f"{_MADE}# Reference\n\n" + "\n".join(lines) + "\n"
    return found


def cyclopts_version() -> str:
    """Return the version that made the page of the commands."""
    from importlib.metadata import version  # noqa: PLC0415

    return version("cyclopts")


def _package(package: str) -> str:
    init = _tree(_file(package))
    parts = [f"{_MADE}# `{package}`\n\n{_docstring(init).strip()}\n"]
    for name in _public(init):
        parts.append(f"## `{name}`\n\n{_entry(package, name)}")
    return "\n".join(parts)


def _entry(package: str, name: str) -> str:
    module, own = _origin(package, name)
    if own is None:
        return _from(module) + _text(_docstring(_tree(_file(module))))
    path = _file(module)
    source = path.read_text(encoding="utf-8")
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef) and node.name == own:
            return _from(module) + _python(_signature(node, name)) + _text(_docstring(node))
        if isinstance(node, ast.ClassDef) and node.name == own:
            return _from(module) + _class(node, source)
        if own in _assigned(node):
            return _from(module) + _python(_with_comment(node, source))
    # a module that took the name from another
    return _entry(module, own)


def _class(node: ast.ClassDef, source: str) -> str:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    lines = [
        *(f"@{ast.unparse(one)}" for one in node.decorator_list),
        f"class {node.name}{f'({bases})' * bool(bases)}:",
    ]
    methods = []
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and not ast.unparse(part.target).startswith("_"):
            lines.append(textwrap.indent(_with_comment(part, source), "    "))
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
            decorated = "".join(f"@{ast.unparse(one)}\n" for one in part.decorator_list)
            methods.append(_python(decorated + _signature(part, part.name)) + _text(_docstring(part)))
    made = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if made is not None:
        lines.append(f"    {_signature(made, '__init__')}")
    return _python("\n".join(lines).removesuffix(":")) + _text(_docstring(node)) + "".join(methods)


def _signature(node: ast.FunctionDef, name: str) -> str:
    told = f"def {name}({ast.unparse(node.args)})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")
    if len(told) <= 110:
        return told
    # a star or a slash of its own has no default and no annotation
    inner = ast.unparse(node.args)
    cuts, depth, quoted = [], 0, ""
    for at, letter in enumerate(inner):
        quoted = "" if letter == quoted else (quoted or (letter if letter in "\"'" else ""))
        depth += 0 if quoted else (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0 and not quoted:
            cuts.append(at)
    each = [inner[a:b].strip(", ") for a, b in zip([0, *cuts], [*cuts, len(inner)], strict=True)]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {name}(\n" + "".join(f"    {one},\n" for one in each) + f"){returns}"


def _with_comment(node: ast.stmt, source: str) -> str:
    """Return an assignment as it is written, with the `#:` lines above it."""
    lines = source.splitlines()
    first = node.lineno - 1
    while first and lines[first - 1].strip().startswith("#:"):
        first -= 1
    return textwrap.dedent("\n".join(lines[first : node.end_lineno]))


def _origin(package: str, name: str) -> tuple[str, str | None]:
    """Return the module a public name is from and what it is called there; None for a module itself."""
    if name in LAZY.get(package, {}):
        return _origin(*LAZY[package][name])
    for node in _tree(_file(package)).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                if name == (one.asname or one.name):
                    inner = f"{node.module}.{one.name}"
                    return (inner, None) if node.module == package else (node.module, one.name)
    if name not in {one for node in _tree(_file(package)).body for one in _assigned(node)}:
        raise LookupError(f"{package} has no {name}")
    return package, name


def _public(init: ast.Module) -> Iterator[str]:
    for node in init.body:
        if "__all__" in _assigned(node):
            yield from ast.literal_eval(node.value)


def _assigned(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [ast.unparse(one) for target in node.targets for one in getattr(target, "elts", [target])]
    return [ast.unparse(node.target)] if isinstance(node, ast.AnnAssign) else []


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    return inspect.cleandoc(ast.get_docstring(node, clean=False) or "")


def _first(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def _from(module: str) -> str:
    path = _file(module).relative_to(ROOT).as_posix()
    return f"in [{path}](../../{path})\n\n"


def _python(code: str) -> str:
    return f"```python\n{code}\n```\n\n"


def _text(words: str) -> str:
    return f"```text\n{words}\n```\n\n" if words else ""


def _commands() -> str:
    from unittest import mock  # noqa: PLC0415

    from pipeline.cli import app  # noqa: PLC0415

    # Cyclopts calls the program what the interpreter was started with
    with mock.patch("sys.argv", ["tianyan"]), mock.patch("sys.orig_argv", ["tianyan"]):
        told = app.generate_docs(output_format="markdown").strip()
    return f"{_MADE}<!-- by cyclopts {cyclopts_version()} -->\n\n{told}\n"


def _keys() -> str:
    from pipeline.settings import explain  # noqa: PLC0415

    lines = [
        f"{key}: {kind}{f' = {default}' if default else ''}\n    {words}" for key, kind, default, words in explain()
    ]
    return f"{_MADE}# Keys of a case file\n\n" + _text("\n".join(lines)).rstrip() + "\n"


def main() -> None:
    """Write the pages, and remove those that are no longer made."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
