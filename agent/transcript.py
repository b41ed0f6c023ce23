"""PURE: the words of one answer, and how many of them were heard when it was stopped."""

from __future__ import annotations


class Transcript:
    """Collects transcript pieces beside the audio they came with.

    The service guarantees no order between the two, so a piece is taken to be spoken between the audio received when
    the piece before it came and the audio received when the next one does. Good to about a word.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._pieces: list[tuple[float, str]] = []  # seconds of audio received before the piece, piece
        self.audio_s = 0.0
        """Seconds of audio received."""

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(piece for _, piece in self._pieces).strip()

    def add_audio(self, seconds: float) -> None:
        """Note that so much more audio came."""
        self.audio_s += seconds

    def add_text(self, piece: str) -> None:
        """Note the next piece of text; leading spaces count."""
        self._pieces.append((self.audio_s, piece))

    def played(self, played_s: float) -> str:
        """Return the text that was spoken in the first ``played_s`` seconds, cut between words."""
        if played_s >= self.audio_s:
            return self.text
        spoken = []
        ends = [*(start for start, _ in self._pieces[1:]), self.audio_s]
        for (start, piece), end in zip(self._pieces, ends, strict=False):  # the words may all be still to come
            if end <= played_s:
                spoken.append(piece)
            elif start < played_s:
                spoken.append(_first_words(piece, (played_s - start) / (end - start)))
        return "".join(spoken).strip()


def _first_words(piece: str, share: float) -> str:
    """Return about ``share`` (0..1) of ``piece``, ending between words."""
    cut = round(len(piece) * share)
    if cut >= len(piece):
        return piece
    return piece[:cut].rpartition(" ")[0]
