"""Read a case file, refuse what cannot be used with the path of its key, and explain every key."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pipeline.errors import ConfigError
from pipeline.settings.sections import Settings

S = TypeVar("S", bound=BaseModel)


def read_settings(path: str | Path) -> Settings:
    """Read and validate a settings file.

    Raises
    ------
    ConfigError
        With the path of the key, what was given and the remedy; all mistakes of a file in one message.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError("the settings file must exist", got=str(path), remedy="check the path") from error
    except OSError as error:
        raise ConfigError("the settings file must be readable", got=str(error), remedy="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the file must be TOML in UTF-8", got=str(error), remedy="correct that line", where=str(path)
        ) from error
    return validated(Settings, raw, where=path.name)


def validated(section: type[S], values: dict[str, Any], *, where: str = "") -> S:
    """Return a section made from plain values.

    Raises
    ------
    ConfigError
        As `read_settings`.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        lines = [_explain(item, section) for item in error.errors()]
        raise ConfigError(
            f"{len(lines)} setting(s) cannot be used:\n  " + "\n  ".join(lines) + "\n",
            remedy="correct them; `tianyan config explain` lists every key",
            where=where,
        ) from error


def read_section(section: type[S], path: Path, given: dict[str, Any]) -> S:
    """Return one section whose keys stand in a TOML file of their own.

    Parameters
    ----------
    path
        The file.
    given
        Keys besides; they replace those of the file.

    Raises
    ------
    ConfigError
        When the file cannot be read, and as `read_settings`.
    """
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the section must be TOML in UTF-8", got=str(error), remedy="write the keys of one section", where=path.name
        ) from error
    return validated(section, {**keys, **given}, where=path.name)


def input_root(settings: Settings, path: str | Path) -> Path:
    """Return the absolute folder of all input paths for a settings file at `path`."""
    return (Path(path).resolve().parent / settings.inputs.root).resolve()


def explain() -> list[tuple[str, str, str, str]]:
    """Return (key, type, default, meaning) of every setting, in order."""
    return _rows(Settings, "")


def _rows(model: type[BaseModel], prefix: str) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        inner, suffix = _section_of(field.annotation)
        required = field.is_required()
        shown = "required" if required else ("" if inner else repr(field.get_default(call_default_factory=True)))
        rows.append(
            (key + suffix, "section" if inner else _type_name(field.annotation), shown, field.description or "")
        )
        if inner:
            rows += _rows(inner, f"{key}{suffix}.")
    return rows


def _section_of(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the section class inside an annotation, and "[]" when it is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    for argument in getattr(annotation, "__args__", ()):
        inner, suffix = _section_of(argument)
        if inner:
            return inner, "[]" if getattr(annotation, "__origin__", None) is list else suffix
    return None, ""


def _type_name(annotation: Any) -> str:
    """Return the type as a reader of TOML would say it."""
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in arguments)
    if origin in (Union, UnionType):
        return " | ".join(_type_name(part) for part in arguments if part is not NoneType)
    if origin in (list, tuple):
        return f"[{', '.join('...' if part is Ellipsis else _type_name(part) for part in arguments)}]"
    if origin is dict:
        return "table"
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true | false"}.get(
        annotation.__name__, "time with zone"
    )


def _explain(item: Any, section: type[BaseModel]) -> str:
    """Return one line for one validation error: path, what was got, what to do."""
    location = item["loc"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if item["type"] == "extra_forbidden":
        known = _known_keys(location[:-1], section)
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if item["type"] == "missing":
        return f"{key}: required, and missing"
    got = item.get("input")
    shown = "" if isinstance(got, dict) else f"; got {got!r}"
    return f"{f'{key}: ' if key else ''}{item['msg'].removeprefix('Value error, ')}{shown}"


def _known_keys(location: tuple[Any, ...], section: type[BaseModel]) -> list[str]:
    model: type[BaseModel] | None = section
    for part in location:
        if isinstance(part, str) and model is not None and part in model.model_fields:
            model = _section_of(model.model_fields[part].annotation)[0]
    return list(model.model_fields) if model else []
