"""What a terminal sends becomes the same keys, however it is cut, and noise becomes none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.panel.keys import Key, KeyReader, Stroke

STREAM = "a\x1b[32;1:1;32uß\x1b[A\r\x1bOP\x1b[?1u\x7f\x1b[13;1:3u\x01"
KEYS = [
    Key(97, "a"),
    Key(32, " "),
    Key(223, "ß"),
    Key(13),
    Key(127),
    Key(13, stroke=Stroke.RELEASE),
    Key(97, control=True),
]


@given(cuts=st.lists(st.integers(0, len(STREAM.encode())), max_size=6))
def test_it_does_not_matter_where_the_stream_is_cut(cuts: list[int]) -> None:
    data = STREAM.encode()
    edges = [0, *sorted(cuts), len(data)]
    reader = KeyReader()
    keys = [key for begin, end in pairwise(edges) for key in reader.feed(data[begin:end])]
    assert keys == KEYS
    assert reader.protocol


@given(data=st.binary(max_size=200))
def test_no_noise_upsets_it(data: bytes) -> None:
    assert all(isinstance(key, Key) for key in KeyReader().feed(data))


@pytest.mark.parametrize("data", [b"\x08", b"\x7f"])
def test_both_backspaces(data: bytes) -> None:
    assert KeyReader().feed(data) == [Key(127)]
