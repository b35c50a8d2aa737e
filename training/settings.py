"""Settings: one frozen dataclass per recipe, read from YAML and command-line overrides, checked before anything runs."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from classify.errors import SettingsError

T = TypeVar("T")


def _convert(key: str, value: Any, kind: Any) -> Any:
    """``value`` as ``kind``; whole numbers may stand for decimals, nothing else is bent."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        choices = typing.get_args(kind)
        if value is None and type(None) in choices:
            return None
        kind = next(choice for choice in choices if choice is not type(None))
        origin = typing.get_origin(kind)
    if origin in (tuple, list):
        item = typing.get_args(kind)[0]
        items = [value] if isinstance(value, (str, int, float, Path)) else value
        if not isinstance(items, (list, tuple)):
            raise SettingsError(f"setting '{key}' must be a list, not {value!r}")
        return tuple(_convert(key, one, item) for one in items)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise SettingsError(f"setting '{key}' must be a block of keys, not {value!r}")
        return build(kind, value, where=f"'{key}'")
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        # YAML reads 3e-5 as text because it lacks the dot.
        try:
            return float(value)
        except ValueError:
            raise SettingsError(f"setting '{key}' must be a number, not {value!r}") from None
    if kind is Path and isinstance(value, str):
        return Path(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise SettingsError(f"setting '{key}' must be of type {getattr(kind, '__name__', kind)}, not {value!r}")
    return value


def build(cls: type[T], values: Mapping[str, Any], where: str = "the settings") -> T:
    """Build the dataclass ``cls`` from ``values``.

    Raises:
        SettingsError: for a key that does not exist (naming the closest valid ones), one that is missing, or a value of the
            wrong type.
    """
    kinds = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    known: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            close = difflib.get_close_matches(str(key), names, n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            raise SettingsError(f"unknown setting '{key}' in {where}{hint}; valid ones: {', '.join(names)}")
        known[key] = _convert(key, value, kinds[key])
    needed = [
        field.name
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [f"'{name}'" for name in needed if name not in known]
    if missing:
        raise SettingsError(f"{where}: missing {', '.join(missing)}, which must be given")
    return cls(**known)


def load(cls: type[T], path: Path | None, overrides: Mapping[str, Any] | None = None) -> T:
    """Read ``path`` (YAML) into ``cls``; ``overrides`` that are not None win over the file.

    Raises:
        SettingsError: when the file cannot be read, is not a mapping, or holds a wrong key or value.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from None
        if loaded is not None and not isinstance(loaded, dict):
            raise SettingsError(f"{path} must hold 'key: value' lines, not {type(loaded).__name__}")
        values.update(loaded or {})
    for key, value in (overrides or {}).items():
        if isinstance(value, Mapping):
            # A block: its own keys win one by one.
            block = values.get(key)
            if value:
                values[key] = {**block, **value} if isinstance(block, Mapping) else value
        elif value is not None:
            values[key] = value
    return build(cls, values, where=str(path) if path else "the settings")


def as_dict(settings: Any) -> dict[str, Any]:
    """The settings as plain values, fit for JSON or YAML."""

    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, (list, tuple)):
            return [plain(one) for one in value]
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return value

    return {key: plain(value) for key, value in dataclasses.asdict(settings).items()}
