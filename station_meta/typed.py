"""A TOML table as a frozen dataclass: every key known, every value of its type and possible."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from station_meta.errors import StationMetaError

T = TypeVar("T")


def typed(cls: type[T], table: Mapping[str, Any], *, where: str) -> T:
    """Return an instance of a dataclass made of a table's values.

    Parameters
    ----------
    cls
        Its fields are float, int, bool, str, Literal, tuples of float (of one length), dicts of text to one of these,
        or one of these or None. A float is finite, except in a pair, whose ends may be -inf and inf.
    table
        Of a TOML file.
    where
        File and table, for messages.

    Raises
    ------
    StationMetaError
        For a key that is not known (a near one is suggested), one that is missing, or a value of another type.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Span:
    ...     ends: tuple[float, float]
    ...     least: float = 1.0
    >>> typed(Span, {"ends": [1, 2]}, where="a.toml [span]")
    Span(ends=(1.0, 2.0), least=1.0)
    """
    names = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            known = f"did you mean {near[0]}?" if near else f"known here: {', '.join(names)}"
            raise StationMetaError("a key must be known", got=key, remedy=known, where=where)
    lacking = [
        name
        for name, item in names.items()
        if name not in table and item.default is MISSING and item.default_factory is MISSING
    ]
    if lacking:
        raise StationMetaError(
            "every key without a default must be there", got=None, remedy=f"add {', '.join(lacking)}", where=where
        )
    kinds = get_type_hints(cls)
    return cls(**{key: _value(kinds[key], value, f"{where} {key}") for key, value in table.items()})


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the tables of a TOML file; `what` it is called in messages.

    Raises
    ------
    StationMetaError
        When it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StationMetaError(f"{what} must be readable", got=str(path), remedy="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StationMetaError(
            f"{what} must be TOML in UTF-8", got=str(error), remedy="correct that line", where=path.name
        ) from error


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        inner = next(part for part in arguments if part is not NoneType)
        # TOML has no null: "none" stands for it
        return None if value == "none" else _value(inner, value, where)
    if origin is Literal:
        return _require(value in arguments, value, f"one of {', '.join(map(str, arguments))}", where)
    if origin is tuple:
        return _row(len(arguments), value, where)
    if origin is dict:
        _require(isinstance(value, dict), value, "a table", where)
        return {str(key): _value(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return _plain(kind, value, where)


def _plain(kind: type, value: Any, where: str) -> Any:
    if kind is float:
        return float(_require(_is_number(value) and math.isfinite(value), value, "a finite number", where))
    form = {bool: "true or false", int: "a whole number", str: "text"}[kind]
    return _require(type(value) is kind and value != "", value, form, where)


def _row(length: int, value: Any, where: str) -> tuple[float, ...]:
    good = isinstance(value, list) and len(value) == length
    good = good and all(_is_number(item) and not math.isnan(item) for item in value)
    return tuple(float(item) for item in _require(good, value, f"{length} numbers in brackets", where))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(good: bool, value: Any, form: str, where: str) -> Any:
    if not good:
        raise StationMetaError(f"the value must be {form}", got=value, remedy="correct it", where=where)
    return value
