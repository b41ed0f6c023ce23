"""A secret is found in every form in which a library, a proxy or a peer may quote it; other words are left alone."""

import base64
import json
import re
import string
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outside.redactor import MARK, SHORTEST, Redactor

KEY = "AIzaSyD-ExampleOfAKey_0123456789abcdefg"
OTHER = 'p@ss/w:rd?"\\#&=%'
SECRETS = st.text(string.ascii_letters + string.digits + "-_.~+/=:@%&?#\"'\\", min_size=SHORTEST, max_size=40)
PLAIN = st.lists(
    st.sampled_from(["the", "pump", "shows", "4.2", "bar,", "key", "Größe", "basic", "token", "at", "12:30"])
)
ENCODED: list[tuple[str, str]] = [
    ("plain", KEY),
    ("percent", quote(OTHER, safe="")),
    ("percent, lower case", quote(OTHER, safe="").lower()),
    ("percent twice", quote(quote(OTHER, safe=""), safe="")),
    ("every character percent", "".join(f"%{ord(char):02X}" for char in KEY)),
    ("JSON", json.dumps(OTHER)),
    ("JSON, escaped", "".join(f"\\u{ord(char):04x}" for char in KEY)),
    ("repr", repr(OTHER)),
    ("bytes", repr(OTHER.encode())),
    ("base64", base64.b64encode(KEY.encode()).decode()),
    ("base64url", base64.urlsafe_b64encode(OTHER.encode()).decode()),
    ("base64 behind one byte", base64.b64encode(f":{KEY}".encode()).decode()),
    ("base64 behind two bytes", base64.b64encode(f"u:{KEY}".encode()).decode()),
    ("repr of something invisible in it", repr(f"{KEY[:9]}\u200b{KEY[9:20]}\n\x00\U000e0001{KEY[20:]}")),
    ("over two lines", f"{KEY[:9]}\n   {KEY[9:]}"),
]


def hide(text: str) -> str:
    return Redactor([KEY, OTHER]).hide(text)


@pytest.mark.parametrize(("form", "text"), ENCODED, ids=[form for form, _ in ENCODED])
def test_a_known_secret_is_found_in_every_form(form: str, text: str) -> None:
    told = hide(f"closed: <{text}> is not valid")
    assert MARK in told
    assert len(told) <= len(f"closed: <{MARK}> is not valid") + 6, f"{form}: {told}"


FORMS = [
    ("API key not valid: AIzaSyB-0123456789abcdefghijklmnopqrstu", "API key not valid: [redacted]"),
    ("token AQ.Ab8RN6Iabcdefghijklmnopqrstu expired", "token [redacted] expired"),
    ("auth_tokens/0a1b2c", "[redacted]"),
    ("ya29.a0AfH6SMBexample-x", "[redacted]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.SflKxw", "[redacted]"),
    ("Bearer abc123defgh", "Bearer [redacted]"),
    ("Proxy-Authorization: Basic dTpwdw==\nHost: h", "Proxy-Authorization: [redacted]\nHost: h"),
    ("> x-goog-api-key: mine", "> x-goog-api-key: [redacted]"),
    ("[('x-goog-api-key', 'mine'), ('Host', 'h')]", "[('x-goog-api-key', '[redacted]'), ('Host', 'h')]"),
    ("{'x-goog-api-key': b'mine'}", "{'x-goog-api-key': b'[redacted]'}"),
    ("wss://h/ws?key=mine&alt=x", "wss://h/ws?key=[redacted]&alt=x"),
    ("wss://h/ws?access_token=mine", "wss://h/ws?access_token=[redacted]"),
    ("next=wss%3A%2F%2Fh%3Fkey%3Dmine", "next=wss%3A%2F%2Fh%3Fkey%3D[redacted]"),
    ('{"api_key": "mine"}', '{"api_key": "[redacted]"}'),
    ("http://user:pw@proxy:3128 isn't a valid proxy", "http://[redacted]@proxy:3128 isn't a valid proxy"),
    ("socks5h://user:p/w?#:d@proxy:1080", "socks5h://[redacted]@proxy:1080"),
    ("wss://token@host/x", "wss://[redacted]@host/x"),
    ("user:pw@proxy:3128", "[redacted]@proxy:3128"),
]


@pytest.mark.parametrize(("text", "told"), FORMS)
def test_an_unknown_secret_is_found_by_its_form(text: str, told: str) -> None:
    assert Redactor().hide(text) == told
    assert Redactor().hide(told) == told


@pytest.mark.parametrize(
    "text",
    [
        "API key not valid. Please pass a valid API key.",
        "check the API key: GEMINI_API_KEY, or the file that service.key_file names",
        "Basic maintenance, the bearer of the token, authorization needed at 12:30",
        "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta",
        "monkey=3 max_tokens=100",
        "write to service@example.com",
        "https://maps.example/@52.5,13.4",
    ],
)
def test_words_that_only_sound_like_it_stay(text: str) -> None:
    assert hide(text) == text


def test_a_secret_too_short_is_hidden_by_its_form_only() -> None:
    assert Redactor(["key"]).hide("API key refused: ?key=key") == "API key refused: ?key=[redacted]"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redactor(["secret", "secret-and-more"]).hide("<secret-and-more>") == f"<{MARK}>"


@given(SECRETS, st.text(), st.text())
def test_no_text_holds_a_known_secret_afterwards(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    told = redactor.hide(f"{before}{secret}{after}")
    assert secret not in told
    assert redactor.hide(told) == told


@given(st.sampled_from([text for text, _ in FORMS]), st.sampled_from([" ", "\n", ", ", "<", "(", '"']), PLAIN)
def test_a_form_is_found_among_other_words(secret: str, between: str, words: list[str]) -> None:
    told = Redactor().hide(f"{' '.join(words)}{between}{secret}")
    assert MARK in told
    assert not {"mine", "pw", "abc123defgh"} & set(re.findall(r"\w+", told))


@given(SECRETS, st.text())
def test_a_second_time_changes_nothing(secret: str, text: str) -> None:
    redactor = Redactor([secret])
    for each in (f"key={text}", f"http://{text}@h", f"x-goog-api-key: {text}", f"Bearer {text}{secret}"):
        assert redactor.hide(redactor.hide(each)) == redactor.hide(each)


@given(PLAIN)
def test_plain_words_are_left_alone(words: list[str]) -> None:
    assert hide(" ".join(words)) == " ".join(words)


@pytest.mark.parametrize(
    "piece",
    ["://", "://a:", "\\", "a", "a:", "bearer ", "key=", "eyJ", "eyJ-----------", "%25", "AIza", "'password':'"],
)
def test_the_work_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    def took(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.process_time()
        hide(text)
        return time.process_time() - began

    took(1000)
    assert took(80_000) < 40 * took(8_000) + 0.5  # a square would take 100 times as long
