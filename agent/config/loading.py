"""Reads the configuration from TOML, puts options over it, and prints what is in effect."""

from __future__ import annotations

import errno
import json
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from agent.config.checks import conflicts, shown, text_problem, value_problem
from agent.config.sections import Settings
from agent.errors import ConfigError
from hardware.files import read_whole
from hardware.ports import reason

DEFAULT_PATH = Path("/etc/field-agent/config.toml")
"""The file that ``field-agent run`` reads without ``--config``."""
MOST_BYTES = 1_000_000
"""A hundred times what any configuration or prompt has."""


def load(path: Path | None) -> Settings:
    """Return the settings in ``path``, or the defaults for None. Raises ConfigError, which tells all problems."""
    if path is None:
        return Settings()
    merged = _merged(Settings(), _read(path), str(path))
    settings = merged.settings
    problems = list(merged.problems)
    if settings.session.system_instruction_file:
        file = path.parent / settings.session.system_instruction_file
        try:
            prompt = _prompt(file)
            settings = replace(settings, session=replace(settings.session, system_instruction=prompt))
        except OSError as error:
            problems.append(f"{path}: [session] system_instruction_file: {file}: {reason(error)}")
    if problems:
        raise ConfigError(*problems)
    return settings


def override(settings: Settings, raw: dict[str, Any], *, where: str) -> Settings:
    """Return ``settings`` overridden by ``{section: {key: value}}``; ``where`` names the source in errors.

    Raises ConfigError, which tells all problems.
    """
    merged = _merged(settings, raw, where)
    if merged.problems:
        raise ConfigError(*merged.problems)
    return merged.settings


class _Merged(NamedTuple):
    """Settings, in which what is wrong was left as it was, and what is wrong."""

    settings: Settings
    problems: list[str]


def _merged(settings: Settings, raw: dict[str, Any], where: str) -> _Merged:
    sections = {part.name: part for part in fields(Settings)}
    changed: dict[str, Any] = {}
    problems: list[str] = []
    wrong: set[tuple[str, str]] = set()
    for name, table in raw.items():
        if name not in sections:
            problems.append(f"{where}: [{_name(name)}]: no such section (known: {', '.join(sections)})")
        elif not isinstance(table, dict):
            problems.append(f"{where}: {name}: must be a section, [{name}]")
        else:
            found = _problems(getattr(settings, name), table)
            problems += [f"{where}: [{name}] {_name(key)}: {problem}" for key, problem in found.items()]
            wrong |= {(name, key) for key in found}
            changed[name] = _replaced(getattr(settings, name), table, found)
    result = replace(settings, **changed)
    # A setting that is wrong by itself was left as it was, so that it tells nothing about those it must go with.
    for section, keys, problem in conflicts(result):
        if not wrong & {(section, key) for key in keys}:
            problems.append(f"{where}: [{section}] {keys[0]}: {problem}")
    return _Merged(result, problems)


def _problems(section: Any, table: dict[str, Any]) -> dict[str, str]:  # noqa: ANN401 - any section's class
    """Return what is wrong with each key of a table."""
    known = {part.name: part for part in fields(section)}
    hints = get_type_hints(type(section))
    found = {}
    for key, value in table.items():
        if key in ("api_key", "key"):
            found[key] = "keys do not belong in this file (use GEMINI_API_KEY or service.key_file)"
        elif key not in known:
            found[key] = f"no such key (known: {', '.join(known)})"
        elif problem := value_problem(value, hints[key], known[key].metadata):
            found[key] = problem
    return found


def _replaced(section: Any, table: dict[str, Any], wrong: dict[str, str]) -> Any:  # noqa: ANN401 - any section's class
    hints = get_type_hints(type(section))
    return replace(section, **{key: hints[key](value) for key, value in table.items() if key not in wrong})


def _name(name: str) -> str:
    """Return a name from the file as it is shown; one that is long or odd is quoted."""
    return name if name.isprintable() and len(shown(name)) == len(name) + 2 else shown(name)


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raises ConfigError."""
    try:
        return tomllib.loads(_text(path))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file (copy config/field-agent.toml there, or name another with --config)"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {reason(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not TOML: nested too deep") from None
    except ValueError:  # more digits than Python converts
        raise ConfigError(f"{path}: not TOML: a number with thousands of digits") from None


def _prompt(path: Path) -> str:
    """Return the prompt in a file. Raises OSError."""
    text = _text(path).strip()
    if text_problem(text, {"lines": True, "path": False}):
        raise OSError(errno.EINVAL, "has control characters in it", str(path))
    return text


def _text(path: Path) -> str:
    """Return the text in a file. Raises OSError."""
    try:
        return read_whole(path, MOST_BYTES).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "not UTF-8 text", str(path)) from None


def describe(settings: Settings) -> str:
    """Return the effective configuration as TOML; it contains no secrets."""
    lines = []
    for section in fields(settings):
        values = getattr(settings, section.name)
        assert is_dataclass(values)
        lines.append(f"[{section.name}]")
        lines += [f"{part.name} = {toml(getattr(values, part.name))}" for part in fields(values)]
        lines.append("")
    return "\n".join(lines)


def toml(value: Any) -> str:  # noqa: ANN401 - any TOML scalar
    """Return a scalar as TOML text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # the escapes are the same but for DEL
    return str(value)
