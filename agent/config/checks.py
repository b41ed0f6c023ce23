"""What is wrong with a setting, in one line; each function returns ``""`` or nothing if all is well.

Tested as a file shows it: tests/agent/config/test_loading.py.
"""

from __future__ import annotations

import unicodedata
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from agent.models import refusal
from hardware.files import expanded
from hardware.ports import reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.config.sections import ServiceSettings, Settings

SHOWN = 60
"""Characters of a wrong value that are shown: enough to find it by."""
LINE_BREAKS = "\n\r\t"
WANTED = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}


class Conflict(NamedTuple):
    """Settings of one section that do not go together; the first of ``keys`` is the one to name."""

    section: str
    keys: tuple[str, ...]
    problem: str


def shown(value: object) -> str:
    """Return a value from TOML as it is quoted in an error: short, whatever it is."""
    try:
        text = repr(value)
    except ValueError:  # more digits than Python converts
        return "a number with thousands of digits"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def value_problem(value: Any, kind: type, limits: Mapping[str, Any]) -> str:  # noqa: ANN401 - from TOML
    """Return what is wrong with ``value`` for a setting of this kind and with these limits."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number if kind is float else isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        return f"{shown(value)} is not {WANTED[kind]}"
    if limits["choices"] and value not in limits["choices"]:
        return f"{shown(value)} is not one of {', '.join(map(repr, limits['choices']))}"
    low, high = limits["low"], limits["high"]
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        return f"{shown(value)} is not within {low} to {high} {limits['unit']}".rstrip()
    return text_problem(value, limits) if kind is str else ""


def text_problem(text: str, limits: Mapping[str, Any]) -> str:
    """Return what is wrong with a text: control characters, or the home folder of nobody."""
    allowed = LINE_BREAKS if limits["lines"] else ""
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in allowed for char in text):
        return f"{shown(text)} has a control character in it"
    if limits["path"]:
        try:
            expanded(text)
        except OSError as error:
            return f"{shown(text)}: {reason(error)}"
    return ""


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """Yield what does not go together."""
    yield from _model(settings)
    if problem := _address(settings.service):
        yield Conflict("service", ("url", "allow_unencrypted"), problem)
    if settings.endpointer.start_voiced_ms > settings.endpointer.start_window_ms:
        yield Conflict("endpointer", ("start_voiced_ms", "start_window_ms"), "cannot exceed start_window_ms")
    audio, gpio = settings.audio, settings.gpio
    if audio.prebuffer_ms > audio.max_prebuffer_ms:
        limit = f"cannot exceed max_prebuffer_ms, {audio.max_prebuffer_ms} ms"
        yield Conflict("audio", ("prebuffer_ms", "max_prebuffer_ms"), limit)
    if gpio.button == gpio.light == "gpio" and gpio.button_pin == gpio.light_pin:
        both = f"button and light are both on pin {gpio.light_pin}"
        yield Conflict("gpio", ("light_pin", "button_pin", "button", "light"), both)


def _model(settings: Settings) -> Iterator[Conflict]:
    model = settings.session.model
    if not model.removeprefix("models/").strip():
        yield Conflict("session", ("model",), f"{shown(model)} names no model (gemini-3.8-live, for instance)")
        return
    refused = refusal(model, settings.session.thinking_level)
    if refused is not None:
        key, fix = refused
        yield Conflict("session", (key, "model"), fix)


def _address(service: ServiceSettings) -> str:
    """Return what is wrong with the address of the service; one with a secret in it is not quoted."""
    url = service.url
    has_key = "key=" in url.lower() or "token=" in url.lower()
    secret = "a key" if has_key else "a user name or password" if "@" in url else ""
    if secret:
        return f"{secret} in the address ends up in logs (use GEMINI_API_KEY)"
    if url.partition("://")[0] not in ("ws", "wss"):
        return f"{shown(url)} does not start with wss:// or ws://"
    if not _is_address(url):
        return f"{shown(url)} has no valid host and port"
    if not (service.encrypted or service.allow_unencrypted or is_loopback(url)):
        return (
            f"{shown(url)} sends what is said and shown unencrypted to another machine (use wss://, or set "
            "allow_unencrypted = true if everybody on the way may hear and see it)"
        )
    return ""


def is_loopback(url: str) -> bool:
    """Return whether an address is this machine by its name or number; no name server is asked."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and ".." not in parts.netloc and parts.port != 0
    except ValueError:  # a port out of range, brackets that do not match
        return False
