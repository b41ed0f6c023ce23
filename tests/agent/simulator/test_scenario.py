from __future__ import annotations

from pathlib import Path

import pytest

from agent import simulator
from agent.simulator import Fault, ScenarioError, Style, parse, scenario


@pytest.mark.parametrize("name", simulator.names())
def test_every_shipped_scenario_loads_and_says_what_it_is(name: str) -> None:
    assert simulator.shipped(name) != simulator.Scenario()
    path = Path(scenario.__file__).parent / "scenarios" / f"{name}.toml"
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")


def test_every_kind_of_fault_is_shipped_as_an_example() -> None:
    used = {fault.kind for name in simulator.names() for fault in simulator.shipped(name).faults}
    assert used == set(scenario.KINDS)


def test_a_fault_by_turn() -> None:
    (fault,) = parse('[[fault]]\nkind = "reset"\nturn = 2\nwhen = "mid_answer"\nconnection = [1, 3]').faults
    assert fault == Fault("reset", turn=2, when="mid_answer", connections=frozenset({1, 3}))


def test_a_fault_by_time_with_defaults() -> None:
    (fault,) = parse('[[fault]]\nkind = "go_away"\nat_s = 5').faults
    assert fault.at_s == 5.0
    assert fault.options == {"time_left_s": 10.0, "abort": True}


def test_the_style_of_a_turn_overrides_the_answers_style() -> None:
    plan = parse("[answer]\npace = 2\nthink_s = 1\n[[turn]]\nnumber = 2\nthink_s = 9")
    assert plan.style(1, Style()) == Style(pace=2.0, think_s=1.0)
    assert plan.style(2, Style(silent=True)) == Style(pace=2.0, think_s=9.0, silent=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fault = 1", ["top level", "fault"]),
        ("faults = []", ["top level", "'faults'"]),
        ("= 1", ["here.toml"]),
        ('[[fault]]\nkind = "fire"', ["[[fault]] 1", "'fire'"]),
        ('[[fault]]\nkind = "reset"\ncolour = 1', ["[[fault]] 1", "'colour'"]),
        ('[[fault]]\nkind = "reset"\ncode = 1', ["'code'"]),
        ('[[fault]]\nkind = "reset"\n[[fault]]\nkind = "close"', ["[[fault]] 2", "code is missing"]),
        ('[[fault]]\nkind = "close"\ncode = "1011"', ["code", "int", "str"]),
        ('[[fault]]\nkind = "reset"\nturn = 1', ["turn together with when"]),
        ('[[fault]]\nkind = "reset"\nturn = 1\nwhen = "speech"\nat_s = 1', ["at_s"]),
        ('[[fault]]\nkind = "reset"\nturn = 1\nwhen = "dawn"', ["when must be one of"]),
        ('[[fault]]\nkind = "handshake"\nstatus = 503\nat_s = 1', ["handshake"]),
        ('[[fault]]\nkind = "reset"\nconnection = "1"', ["connection"]),
        ("[answer]\nspeed = 1", ["[answer]", "'speed'"]),
        ("[[turn]]\nempty = true", ["[[turn]] 1", "number is missing"]),
        ('[[call]]\nturn = 1\nname = "f"\nargs = 1', ["[[call]] 1", "args"]),
        ('input_during_call = "sing"', ["input_during_call"]),
        ("[answer]\npace = 0", ["[answer]", "pace must be within 0.01 and"]),
        ("[answer]\npiece_ms = 0", ["[answer]", "piece_ms must be within 1 and 10000"]),
        ("[answer]\nthink_s = -1", ["[answer]", "think_s must be within 0 and"]),
        ("[answer]\nthink_s = nan", ["[answer]", "think_s must be within 0 and"]),
        ('[[fault]]\nkind = "handshake"\nstatus = 999', ["[[fault]] 1", "status must be within 200 and 599"]),
        ('[[fault]]\nkind = "close"\ncode = 99', ["[[fault]] 1", "code must be within 1000 and 4999"]),
        ('[[fault]]\nkind = "close"\ncode = 1006', ["[[fault]] 1", "code 1006 cannot be sent"]),
        ('[[fault]]\nkind = "close"\ncode = 2000', ["[[fault]] 1", "code 2000 cannot be sent"]),
        ('[[fault]]\nkind = "send"\ntext = ""\ncount = -1', ["[[fault]] 1", "count must be within 0 and"]),
        ("a = " + "[" * 5000, ["nested too deep"]),
        (f"a = {'9' * 5000}", ["a number with thousands of digits"]),
    ],
)
def test_errors_name_file_section_and_key(text: str, words: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text, source="here.toml")
    assert str(caught.value).startswith("here.toml: ")
    assert all(word in str(caught.value) for word in words)


def test_a_missing_file_and_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        simulator.load(tmp_path / "no.toml")
    with pytest.raises(ScenarioError, match="go_away"):
        simulator.shipped("no")


def test_a_scenario_is_one_of_ours_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in simulator.names():
        assert isinstance(simulator.find(name), simulator.Scenario)
    (tmp_path / "mine.toml").write_text('description = "mine"\n')
    assert simulator.find(str(tmp_path / "mine.toml")).description == "mine"
    with pytest.raises(ScenarioError, match=r"no scenario or file is called 'nonsense' \(near it: "):
        simulator.find("nonsense")
