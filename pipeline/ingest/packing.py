"""What a reader found, as JSON and bytes and back: frozen dataclasses of arrays, texts and numbers, nothing else.

No pickle: what comes back from a process that read a hostile file is data, whatever was written. Both sides are
strict. A value of another kind is refused when packed; a field that is missing, unknown or of another type than the
dataclass declares, and a buffer of another length than its shape, are refused when unpacked.

An array is its dtype, its shape and its bytes. A column of texts is its distinct texts and the place of each row's.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from pipeline.errors import FormatError

#: kinds of numpy that are plain bytes: bool, integers, floats, datetimes, timedeltas, fixed texts
_KINDS = "biufMmU"
#: dimensions that numpy 1 has at most; no reader's array has more than four
_MOST_DIMS = 32
#: letters beyond this are no Unicode, and would raise wherever the text is looked at
_LAST_LETTER = 0x10FFFF

T = TypeVar("T")


def pack(value: object) -> tuple[Any, list[np.ndarray]]:
    """Return what JSON can hold of a value, and its arrays, to which the former refers by place.

    Raises
    ------
    TypeError
        For a value of another kind: the reader is at fault, not the file.
    """
    arrays: list[np.ndarray] = []
    return _packed(value, arrays), arrays


def layout(arrays: list[np.ndarray]) -> list[dict[str, Any]]:
    """Return dtype and shape of arrays, as JSON."""
    return [{"dtype": array.dtype.str, "shape": list(array.shape)} for array in arrays]


def empty(said: object, most: int) -> list[np.ndarray]:
    """Return arrays to be filled with the bytes of a layout.

    Parameters
    ----------
    most
        Bytes they may have in all.

    Raises
    ------
    FormatError
        For a dtype that is not plain bytes, an impossible shape, or more bytes.
    """
    arrays = []
    for one in _listed(said):
        if not isinstance(one, dict) or set(one) != {"dtype", "shape"} or not isinstance(one["dtype"], str):
            raise _broken("each array must state dtype and shape", one)
        shape = _listed(one["shape"])
        if not all(type(size) is int and size >= 0 for size in shape):
            raise _broken("a shape must be whole numbers", shape)
        if len(shape) > _MOST_DIMS:
            raise _broken(f"a shape must have at most {_MOST_DIMS} dimensions", len(shape))
        try:
            dtype = np.dtype(one["dtype"])
        except (TypeError, ValueError, SyntaxError) as error:
            raise _broken("a dtype must be known", one["dtype"]) from error
        if dtype.kind not in _KINDS or dtype.str != one["dtype"]:
            raise _broken("a dtype must be of plain bytes", one["dtype"])
        most -= math.prod(shape) * dtype.itemsize
        if most < 0:
            raise _broken("the arrays must not be larger than agreed", one)
        try:
            arrays.append(np.empty(shape, dtype))
        except (ValueError, MemoryError) as error:
            # a size of 0 hides others that numpy cannot count; memory may not hold what was agreed
            raise _broken("a shape must be possible", shape) from error
    return arrays


def unpack(kind: type[T], said: object, arrays: list[np.ndarray]) -> T:
    """Return the dataclass `kind` from what `pack` made of it.

    Raises
    ------
    FormatError
        When it is not what the dataclass declares.
    """
    for array in arrays:
        _check_bytes(array)
    found: T = _unpacked(kind, said, arrays, kind.__name__)
    return found


def _packed(value: object, arrays: list[np.ndarray]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _packed_array(value, arrays)
    if type(value) is tuple:
        return {"tuple": [_packed(part, arrays) for part in value]}
    if isinstance(value, Mapping) and all(type(name) is str for name in value):
        return {"map": {name: _packed(part, arrays) for name, part in value.items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {"fields": {field.name: _packed(getattr(value, field.name), arrays) for field in fields}}
    raise TypeError(f"{type(value).__name__} cannot be handed over")


def _packed_array(value: np.ndarray | np.generic, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.generic):
        return {"scalar": _kept(np.asarray(value), arrays)}
    if value.dtype != object:
        return {"array": _kept(value, arrays)}
    codes, texts = pd.factorize(value.ravel())
    if not all(type(text) is str for text in texts) or (codes < 0).any():
        raise TypeError("a column of objects must hold texts only")
    return {"texts": texts.tolist(), "codes": _kept(codes.astype(np.int64).reshape(value.shape), arrays)}


def _kept(array: np.ndarray, arrays: list[np.ndarray]) -> int:
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"an array of {array.dtype} cannot be handed over")
    arrays.append(np.require(array, requirements="C"))
    return len(arrays) - 1


def _unpacked(hint: Any, said: object, arrays: list[np.ndarray], where: str) -> Any:
    """Return a value of the declared type."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        fields = _only(said, {"fields"}, where)["fields"]
        hints = get_type_hints(hint)
        declared = [field.name for field in dataclasses.fields(hint)]
        if not isinstance(fields, dict) or sorted(fields) != sorted(declared):
            raise _broken(f"{where} must have its fields", sorted(fields) if isinstance(fields, dict) else fields)
        return hint(**{name: _unpacked(hints[name], fields[name], arrays, f"{where}.{name}") for name in declared})
    value = _value(said, arrays, where)
    if not _fits(value, hint):
        raise _broken(f"{where} must be {hint}", type(value).__name__)
    return value


def _value(said: object, arrays: list[np.ndarray], where: str) -> Any:
    if said is None or type(said) in (bool, int, float, str):
        return said
    keys = set(said) if isinstance(said, dict) else set()
    if keys == {"tuple"}:
        return tuple(_value(part, arrays, where) for part in _listed(_only(said, keys, where)["tuple"]))
    if keys == {"map"}:
        parts = _only(said, keys, where)["map"]
        if not isinstance(parts, dict):
            raise _broken(f"{where} must map names", parts)
        return {name: _value(part, arrays, where) for name, part in parts.items()}
    if keys in ({"array"}, {"scalar"}):
        array = _at(_only(said, keys, where)[next(iter(keys))], arrays, where)
        return array if keys == {"array"} else array[()]
    if keys == {"texts", "codes"}:
        return _texts(_only(said, keys, where), arrays, where)
    raise _broken(f"{where} must be a value of a known kind", said)


def _texts(said: dict[str, Any], arrays: list[np.ndarray], where: str) -> np.ndarray:
    texts, codes = _listed(said["texts"]), _at(said["codes"], arrays, where)
    if not all(type(text) is str for text in texts) or codes.dtype != np.int64:
        raise _broken(f"{where} must be a column of texts", codes.dtype)
    if codes.size and not (codes.min() >= 0 and codes.max() < len(texts)):
        raise _broken(f"{where} must refer to its texts", int(codes.max()))
    # the last one is nobody's: it keeps numpy from making an array of fixed texts
    return np.asarray(np.array([*texts, None], dtype=object)[codes])


def _fits(value: object, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        fits = any(_fits(value, part) for part in parts)
    elif origin is Literal:
        fits = any(type(value) is type(part) and value == part for part in parts)
    elif origin is tuple:
        fits = type(value) is tuple and _fit(value, parts)
    elif origin in (dict, Mapping):
        fits = isinstance(value, dict) and all(_fits(n, parts[0]) and _fits(v, parts[1]) for n, v in value.items())
    elif hint is float:
        fits = isinstance(value, float) or type(value) is int
    else:
        # numpy's subclasses of Python's numbers are as good; a truth is no number
        fits = isinstance(value, hint or type(None)) and (type(value) is not bool or hint is bool)
    return fits


def _fit(values: tuple[object, ...], hints: tuple[Any, ...]) -> bool:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return all(_fits(value, hints[0]) for value in values)
    return len(values) == len(hints) and all(_fits(*pair) for pair in zip(values, hints, strict=True))


def _check_bytes(array: np.ndarray) -> None:
    """Raise when bytes are no values of their dtype: a truth that is neither, a letter that is none."""
    if not array.nbytes or array.dtype.kind not in "bU":
        return
    if array.dtype.kind == "b":
        rule, most, found = "truths must be 0 or 1", 1, array.reshape(-1).view(np.uint8)
    else:
        rule, most, found = "letters must be Unicode", _LAST_LETTER, _letters(array)
    if found.max() > most:
        raise _broken(rule, int(found.max()))


def _letters(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(array.dtype.str[0] + "u4")


def _only(said: object, keys: set[str], where: str) -> dict[str, Any]:
    if not isinstance(said, dict) or set(said) != keys:
        raise _broken(f"{where} must hold {sorted(keys)}", said)
    return said


def _at(place: object, arrays: list[np.ndarray], where: str) -> np.ndarray:
    if type(place) is not int or not 0 <= place < len(arrays):
        raise _broken(f"{where} must refer to an array that came", place)
    return arrays[place]


def _listed(said: object) -> list[Any]:
    if not isinstance(said, list):
        raise _broken("a list must be one", said)
    return said


def _broken(rule: str, got: object) -> FormatError:
    return FormatError(rule, got=got, remedy="the process that read the file is not to be trusted; look at the file")
