"""A scenario: how one run of the simulator answers and what goes wrong in it, read from TOML."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.simulator.files import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MOMENTS: Final = ("speech", "activity_end", "first_audio", "mid_answer", "turn_complete")

# What each kind of fault needs and takes beside its trigger; a default of None means "must be given".
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "go_away": {"time_left_s": 10.0, "abort": True},
    "close": {"code": None, "reason": ""},
    "reset": {},
    "hang": {},
    "slow_read": {"bytes_per_s": None},
    "late_pong": {"delay_s": None},
    "handshake": {"status": None},
    "refuse_handle": {"code": 1008, "reason": "BidiGenerateContent session not found"},
    "no_setup_complete": {},
    "send": {"text": None, "count": 1},
    "huge_frame": {"bytes": 20_000_000},
}
# These act on a connection as it is opened and take no moment.
AT_OPENING: Final = frozenset({"handshake", "refuse_handle", "no_setup_complete"})


MOST: Final = 1_000_000_000
"""Seconds, bytes and counts beyond this are mistakes."""
BOUNDS: Final = {"pace": (0.01, MOST), "piece_ms": (1, 10_000), "status": (200, 599), "code": (1000, 4999)}
"""Between what a number may be, if not between 0 and ``MOST``."""
UNSENDABLE: Final = frozenset({1004, 1005, 1006, *range(1015, 3000)})
"""Close codes that RFC 6455 (7.4) forbids in a close frame, or reserves."""
NAME_LENGTH: Final = 40
"""More of a name that is not known would not help."""


class ScenarioError(ValueError):
    """A scenario that cannot be used; the text names file, section and key."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a turn is answered.

    Times in seconds; `pace` is audio seconds sent per second; `stall_after_s` counts audio seconds.
    `reason` is a turnCompleteReason. `bundled` puts what usually comes in several messages into one;
    `heard_in_deltas` sends the input transcript word by word, as models before 3.x do.
    """

    think_s: float = 0.4
    pace: float = 1.7
    piece_ms: int = 240
    stall_after_s: float = 1.0
    stall_s: float = 0.0
    empty: bool = False
    reason: str = ""
    silent: bool = False
    bundled: bool = False
    heard_in_deltas: bool = False
    turn_complete: bool = True
    playback: bool = True
    late_audio: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: `at_s` after a connection opened, or `after_s` after a moment of a turn.

    `connections` limits it to these (1 is the first of the run; empty means any); it happens at most
    `times` times in all (0: no limit). `options` are those of its kind.
    """

    kind: str
    at_s: float | None = None
    turn: int | None = None
    when: str | None = None
    after_s: float = 0.0
    connections: frozenset[int] = frozenset()
    times: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A function call the model makes in a turn; calls of one turn go out in one message.

    `cancel_after_s` lets the server take it back. `blocking` None means: as declared in the setup.
    """

    turn: int
    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    blocking: bool | None = None
    cancel_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything a scenario file says.

    `input_during_call` is what speech meets while a blocking call is open: "interrupt" cancels the call,
    "close" closes the connection with 1008 (PROTOCOL 4.4).
    """

    description: str = ""
    input_during_call: str = "interrupt"
    answer: Mapping[str, Any] = field(default_factory=dict)
    turns: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    calls: tuple[Call, ...] = ()

    def style(self, turn: int, base: Style) -> Style:
        """Return the style of a turn (from 1): the base, changed by [answer], changed by its [[turn]]."""
        return dataclasses.replace(base, **{**self.answer, **self.turns.get(turn, {})})


def load(path: Path) -> Scenario:
    """Read a scenario file. Raises ScenarioError."""
    try:
        return parse(text_of(path), source=str(path))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error


def shipped(name: str) -> Scenario:
    """Read one of the scenarios in the package, by its name without ".toml". Raises ScenarioError."""
    if name not in names():
        raise ScenarioError(f"no scenario is called {name!r}; there are: {', '.join(names())}")
    return load(_FOLDER / f"{name}.toml")


def names() -> list[str]:
    """List the scenarios in the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def find(name: str) -> Scenario:
    """Return the shipped scenario called ``name``, or the one in the file of that name. Raises ScenarioError."""
    if name in names():
        return shipped(name)
    if _is_file(name):
        return load(Path(name))
    near = ", ".join(difflib.get_close_matches(name, names(), n=3, cutoff=0.0))
    raise ScenarioError(f"no scenario or file is called {_short(name)} (near it: {near}; simulate --help lists all)")


def _short(name: str) -> str:
    return repr(name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…")


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # a name too long for one
        return False


def parse(text: str, source: str = "scenario") -> Scenario:
    """Read the text of a scenario; `source` is what errors call it. Raises ScenarioError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: {error}") from error
    except RecursionError:
        raise ScenarioError(f"{source}: nested too deep") from None
    except ValueError:
        raise ScenarioError(f"{source}: a number with thousands of digits") from None
    try:
        return _scenario(tree)
    except ScenarioError as error:
        raise ScenarioError(f"{source}: {error}") from error


_FOLDER: Final = Path(__file__).parent / "scenarios"
_STYLE: Final = {entry.name: type(entry.default) for entry in dataclasses.fields(Style)}
_DURING_CALL: Final = ("interrupt", "close")


def _scenario(tree: dict[str, Any]) -> Scenario:
    _known(tree, {"description", "input_during_call", "answer", "turn", "fault", "call"}, "top level")
    during = _take(tree, "input_during_call", str, "top level", "interrupt")
    if during not in _DURING_CALL:
        raise ScenarioError(f"top level: input_during_call must be one of {', '.join(_DURING_CALL)}")
    return Scenario(
        description=_take(tree, "description", str, "top level", ""),
        input_during_call=during,
        answer=_style(_take(tree, "answer", dict, "top level", {}), "[answer]"),
        turns=dict(_turn(table, where) for table, where in _tables(tree, "turn")),
        faults=tuple(_fault(table, where) for table, where in _tables(tree, "fault")),
        calls=tuple(_call(table, where) for table, where in _tables(tree, "call")),
    )


def _turn(table: dict[str, Any], where: str) -> tuple[int, Mapping[str, Any]]:
    number = _take(table, "number", int, where)
    return number, _style({key: value for key, value in table.items() if key != "number"}, where)


def _style(table: dict[str, Any], where: str) -> Mapping[str, Any]:
    _known(table, _STYLE, where)
    return {key: _take(table, key, _STYLE[key], where) for key in table}


def _call(table: dict[str, Any], where: str) -> Call:
    _known(table, {entry.name for entry in dataclasses.fields(Call)}, where)
    return Call(
        turn=_take(table, "turn", int, where),
        name=_take(table, "name", str, where),
        args=_take(table, "args", dict, where, {}),
        blocking=_take(table, "blocking", bool, where) if "blocking" in table else None,
        cancel_after_s=_take(table, "cancel_after_s", float, where) if "cancel_after_s" in table else None,
    )


def _fault(table: dict[str, Any], where: str) -> Fault:
    kind = _take(table, "kind", str, where)
    if kind not in KINDS:
        raise ScenarioError(f"{where}: kind {_short(kind)} is unknown; there are: {', '.join(KINDS)}")
    _known(table, {"kind", "at_s", "turn", "when", "after_s", "connection", "times", *KINDS[kind]}, where)
    _check_trigger(table, kind, where)
    return Fault(
        kind=kind,
        at_s=None if "turn" in table else _take(table, "at_s", float, where, 0.0),
        turn=_take(table, "turn", int, where) if "turn" in table else None,
        when=_take(table, "when", str, where) if "turn" in table else None,
        after_s=_take(table, "after_s", float, where, 0.0),
        connections=_connections(table, where),
        times=_take(table, "times", int, where, 1),
        options={key: _option(table, key, default, where) for key, default in KINDS[kind].items()},
    )


def _check_trigger(table: dict[str, Any], kind: str, where: str) -> None:
    if kind in AT_OPENING and not table.keys().isdisjoint({"at_s", "turn", "when", "after_s"}):
        raise ScenarioError(f"{where}: {kind} acts when a connection opens; at_s, turn, when and after_s do not apply")
    if ("turn" in table) != ("when" in table) or ("turn" in table and "at_s" in table):
        raise ScenarioError(f"{where}: give at_s, or turn together with when")
    if table.get("when", MOMENTS[0]) not in MOMENTS:
        raise ScenarioError(f"{where}: when must be one of {', '.join(MOMENTS)}")


def _option(table: dict[str, Any], key: str, default: object, where: str) -> object:
    """Read an option of a fault: its type is its default's; the ones that must be given say it by their name."""
    if default is not None:
        return _take(table, key, type(default), where, default)
    return _take(table, key, {"text": str, "delay_s": float}.get(key, int), where)


def _connections(table: dict[str, Any], where: str) -> frozenset[int]:
    value = table.get("connection", [])
    numbers = value if isinstance(value, list) else [value]
    if not all(type(number) is int for number in numbers):
        raise ScenarioError(f"{where}: connection must be a whole number or a list of them")
    return frozenset(numbers)


def _tables(tree: dict[str, Any], key: str) -> list[tuple[dict[str, Any], str]]:
    tables = _take(tree, key, list, "top level", [])
    if not all(isinstance(table, dict) for table in tables):
        raise ScenarioError(f"top level: {key} must be written as [[{key}]] sections")
    return [(table, f"[[{key}]] {i}") for i, table in enumerate(tables, start=1)]


def _known(table: Mapping[str, Any], keys: set[str] | Mapping[str, Any], where: str) -> None:
    unknown = next((key for key in table if key not in keys), None)
    if unknown is not None:
        raise ScenarioError(f"{where}: {_short(unknown)} is not a key here; there are: {', '.join(sorted(keys))}")


_MISSING: Final = object()


def _take(table: Mapping[str, Any], key: str, kind: type, where: str, default: object = _MISSING) -> Any:  # noqa: ANN401 - a TOML value of the type asked for
    value = table.get(key, default)
    if value is _MISSING:
        raise ScenarioError(f"{where}: {key} is missing")
    low, high = BOUNDS.get(key, (0, MOST))
    if isinstance(value, int | float) and not low <= value <= high:  # which nan is not either
        raise ScenarioError(f"{where}: {key} must be within {low} and {high}")
    if key == "code" and value in UNSENDABLE:
        raise ScenarioError(f"{where}: code {value} cannot be sent in a close frame")
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ScenarioError(f"{where}: {key} must be of type {kind.__name__}, not {type(value).__name__}")
    return value
