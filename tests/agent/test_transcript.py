from hypothesis import given
from hypothesis import strategies as st

from agent.transcript import Transcript

pieces = st.lists(
    st.one_of(st.floats(0.01, 5), st.text(alphabet="ab ,.", min_size=1, max_size=12)),
    max_size=20,
)


def collected(*parts: float | str) -> Transcript:
    said = Transcript()
    for part in parts:
        if isinstance(part, str):
            said.add_text(part)
        else:
            said.add_audio(part)
    return said


def test_text_is_all_pieces_with_their_leading_spaces_but_not_the_first_one() -> None:
    said = collected(" That", 1.0, " is a", 1.0, " teapot.")
    assert said.text == "That is a teapot."
    assert said.audio_s == 2.0


def test_an_answer_played_to_its_end_was_heard_whole() -> None:
    said = collected(1.0, "That is a", 1.0, " teapot.")
    assert said.played(2.0) == "That is a teapot."
    assert said.played(9.0) == "That is a teapot."


def test_of_an_answer_stopped_between_two_pieces_the_first_was_heard() -> None:
    assert collected("That is a", 1.0, " teapot.", 1.0).played(1.0) == "That is a"


def test_a_piece_stopped_in_its_middle_is_cut_between_words() -> None:
    said = collected("Open the screw half a turn", 2.0)
    assert said.played(1.0) == "Open the"
    assert said.played(1.999) == "Open the screw half a turn"  # rounded, all of it
    assert said.played(0.0) == ""


def test_words_of_sound_that_was_not_played_were_not_heard() -> None:
    assert collected("first", 1.0, " second", 1.0, " third", 1.0).played(0.5) == ""
    assert collected("first", 1.0, " second", 1.0, " late, after all the sound").played(1.5) == "first"


def test_of_sound_without_words_nothing_can_be_quoted() -> None:
    assert collected(2.0).played(1.0) == ""
    assert collected(2.0).played(2.0) == ""


@given(pieces, st.floats(0, 30), st.floats(0, 30))
def test_what_was_heard_is_the_beginning_of_the_text_and_never_shrinks(
    parts: list[float | str], one: float, other: float
) -> None:
    said = collected(*parts)
    sooner, later = sorted((one, other))
    assert said.text.startswith(said.played(sooner))
    assert said.played(later).startswith(said.played(sooner))
