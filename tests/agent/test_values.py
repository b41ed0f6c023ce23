from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass

import pytest

from agent.values import Bare


class Here(Bare):
    """One kind."""


class There(Bare):
    """Another."""


def test_values_of_one_kind_are_equal_and_of_two_kinds_are_not() -> None:
    assert Here() == Here()
    assert Here() != There()
    assert Here() != ()
    assert len({Here(), Here(), There()}) == 2


def test_it_is_a_frozen_dataclass_for_whoever_asks() -> None:
    assert is_dataclass(Here())
    assert fields(Here()) == ()
    assert asdict(Here()) == {}
    assert repr(Here()) == "Here()"
    with pytest.raises(FrozenInstanceError):
        Here().word = 1
