"""PURE: what to do after a connection failed, depending on how it failed.

One table for close codes and reasons, another for the handshake's HTTP status codes; the first match wins. Sources:
close frames seen in the field and collected from the issue trackers of the SDK, pipecat and livekit; the Live API
error guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TYPE_CHECKING

from agent.faults import Fault
from agent.outside.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping


class Next(Enum):
    """What to do after a connection ended."""

    RESUME = auto()  # connect again with the handle
    FRESH = auto()  # drop the handle, then connect again
    REFUSED = auto()  # a person must act; try again slowly, in case they did


class Reach(Enum):
    """How far an attempt to reach the service came."""

    NOWHERE = auto()  # there is no network
    NETWORK = auto()  # there is a network, and no way from it to the service
    SERVICE = auto()  # the service, or what stands in its place


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a connection ended and what to do next.

    ``wait_s`` is the least wait before the next attempt; ``at_once`` skips the back-off altogether.
    """

    next: Next
    problem: str
    fix: str = ""
    wait_s: float = 0.0
    at_once: bool = False
    fault: Fault | None = None
    """The fault that the box announces, if a person must act."""
    quiet: bool = False
    """Whether the fault is only told when somebody asks, because it was announced before."""
    reach: Reach | None = Reach.SERVICE
    """None: a connection that had been made was lost, and nothing else is known."""
    kind: str = ""
    """What sort of failure this is: each sort is counted on its own."""

    def __post_init__(self) -> None:
        """Clean the problem: it may quote the service, a proxy or a library."""
        object.__setattr__(self, "problem", one_line(self.problem))

    def __str__(self) -> str:
        """Return problem and fix in one line."""
        return f"{self.problem} ({self.fix})" if self.fix else self.problem


NO_FRAME = 1006
"""The close code that stands for none: the connection was lost."""
NOT_YET_VALID, EXPIRED = 9, 10
"""X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED of OpenSSL."""
RELEASED_AT = 1_793_491_200.0
"""1 November 2026: no clock that is right shows an earlier time to this version."""
LIFE_S = 20 * 365.25 * 86_400
"""Nobody runs this version for longer."""
QUOTA_WAIT_S = 60.0
"""Quota windows are a minute long; earlier retries only use up more quota."""
REFUSED_WAIT_S = 60.0
"""Replacing a key or a model takes a person minutes."""

_KEY_FIX = "check the API key: GEMINI_API_KEY, or the file that service.key_file names"
_QUOTA_FIX = "wait, or check plan and billing"
_MODEL_FIX = "check session.model and service.api_version"


@dataclass(frozen=True, slots=True)
class _Row:
    codes: tuple[int, ...]  # empty: any
    reason: str  # regular expression, any case
    next: Next | Fault  # a fault is refused
    problem: str
    fix: str = ""
    wait_s: float = 0.0
    at_once: bool = False
    fault: Fault | None = None  # announced, though nobody is refused for good

    def matches(self, code: int, reason: str) -> bool:
        """Return whether this row applies to such a close."""
        return (not self.codes or code in self.codes) and bool(re.search(self.reason, reason, re.IGNORECASE))


_MISBEHAVES = "the service misbehaves"
_SERVICE_FAULT = "service fault"
_REQUEST = (1007,)
_SERVICE = (1011, 1012, 1013)

_CLOSES = (
    _Row((), r"api key (not valid|expired|not found)|api_key_invalid", Fault.KEY, "API key refused", _KEY_FIX),
    _Row((), r"permission.?denied|unauthenticated|suspended", Fault.ACCESS, "access refused", _KEY_FIX),
    _Row((), r"quota|resource.?exhausted", Next.RESUME, "quota used up", _QUOTA_FIX, QUOTA_WAIT_S, fault=Fault.QUOTA),
    _Row((), r"models/\S+ is not found|not supported for bidi", Fault.MODEL, "model refused", _MODEL_FIX),
    _Row((), r"user location|not available in your", Fault.REGION, "region refused", "the service is not offered here"),
    _Row((), r"session not found|invalid session handle|requested entity", Next.FRESH, "handle refused", at_once=True),
    _Row(_REQUEST, r"CONTENT_TYPE_AUDIO", Next.FRESH, "the service lost its configuration", at_once=True),
    _Row(_REQUEST, r"", Next.FRESH, "request refused", "compare the log line with the model's documentation"),
    _Row((1008,), r"aborted", Next.RESUME, "connection cut after go-away", at_once=True),
    _Row((1008,), r"", Next.FRESH, "policy close"),
    _Row(_SERVICE, r"", Next.RESUME, _SERVICE_FAULT),
    _Row((1000, 1001, 1005, 1006), r"", Next.RESUME, "connection dropped", at_once=True),
    _Row((), r"", Next.RESUME, "connection closed"),
)

_STATUSES = (
    (
        (400, 404),
        Fault.ADDRESS,
        "address or model refused",
        "check service.url, service.api_version, session.model",
    ),
    ((401, 403), Fault.KEY, "API key refused", _KEY_FIX),
    ((429,), Next.RESUME, "quota used up", _QUOTA_FIX),
)


def judge_close(code: int, reason: str, *, resumed: bool, earlier: Mapping[str, int]) -> Verdict:
    """Return the verdict on a close frame (1006: none came).

    ``resumed``: the connection had been opened with a handle. ``earlier``: how many connections in a row, before this
    one, ended before they were stable, by the kind of their verdict. A second service fault drops the handle, since a
    handle that the server cannot process would fail for ever. A quota is announced at once, since the next attempt is a
    minute away, and once in a row. A request that was refused once, and then on a fresh session, is ours to fix.
    """
    row = next(row for row in _CLOSES if row.matches(code, reason))
    problem = f"{row.problem}: {code} {reason}".rstrip()
    before = earlier.get(row.problem, 0)
    if row.codes == _REQUEST and not resumed and before:
        return _refused(Fault.REQUEST, problem, row.fix, row.problem)
    if isinstance(row.next, Fault):
        return _refused(row.next, problem, row.fix, row.problem)
    indigestible = row.codes == _SERVICE and resumed and before
    step = Next.FRESH if indigestible else row.next
    # A refused handle is dropped, so that this cannot go round in a circle.
    at_once = row.at_once and (not sum(earlier.values()) or (row.next is Next.FRESH and resumed))
    reach = None if code == NO_FRAME else Reach.SERVICE
    quiet = row.fault is not None and before > 0
    return Verdict(step, problem, row.fix, row.wait_s, at_once, row.fault, quiet, reach, row.problem)


def judge_misbehaviour(reason: str, *, resumed: bool, earlier: Mapping[str, int]) -> Verdict:
    """Return the verdict on a peer that broke the protocol or sent more than anybody can use; ``reason`` says which.

    The second time, the session behind the handle may be what makes it do so: the handle is dropped.
    """
    step = Next.FRESH if resumed and earlier.get(_MISBEHAVES) else Next.RESUME
    return Verdict(step, f"{_MISBEHAVES}: {reason}", "is service.url the service?", kind=_MISBEHAVES)


def judge_status(status: int) -> Verdict:
    """Return the verdict on an HTTP status that refused the WebSocket handshake."""
    for statuses, step, problem, fix in _STATUSES:
        if status in statuses:
            told = f"{problem}: HTTP {status}"
            if isinstance(step, Fault):
                return _refused(step, told, fix, problem)
            return Verdict(step, told, fix, QUOTA_WAIT_S, fault=Fault.QUOTA, kind=problem)
    return Verdict(Next.RESUME, f"{_SERVICE_FAULT}: HTTP {status}", kind=_SERVICE_FAULT)


def _refused(fault: Fault, problem: str, fix: str, kind: str) -> Verdict:
    return Verdict(Next.REFUSED, problem, fix, REFUSED_WAIT_S, fault=fault, kind=kind)


def judge_key(problem: str) -> Verdict:
    """Return the verdict on a key that cannot be read. It is not final: the file may just be being replaced."""
    return _refused(Fault.KEY, problem, "", "key")


def judge_unreachable(problem: str, fix: str = "", reach: Reach = Reach.SERVICE) -> Verdict:
    """Return the verdict on an attempt that made no connection."""
    return Verdict(Next.RESUME, problem, fix, reach=reach)


def judge_unknown_host() -> Verdict:
    """Return the verdict on a host that the name servers do not know, while they know others.

    A person must act, unless it is a host of a network that is not there yet: so it is tried again as any other.
    """
    told, fix = "host name not found, though others are", "check service.url, and the proxy if there is one"
    return Verdict(Next.RESUME, told, fix, fault=Fault.ADDRESS, reach=Reach.NETWORK)


def judge_certificate(code: int, problem: str, now: float) -> Verdict:
    """Return the verdict on a certificate refused with OpenSSL's ``code``, by a clock that says ``now`` (Unix time).

    A certificate that is not valid yet means a clock that is behind: nobody serves one before its time. One that has
    expired means a wrong clock only if the clock says something impossible.
    """
    impossible = not RELEASED_AT <= now <= RELEASED_AT + LIFE_S
    if code == NOT_YET_VALID or (code == EXPIRED and impossible):
        says = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M")
        told = f"the clock is wrong, it says {says} UTC: {problem}"
        return Verdict(Next.RESUME, told, "set it with timedatectl, or let it reach a time server", fault=Fault.CLOCK)
    return Verdict(Next.RESUME, f"certificate not trusted: {problem}", "check the clock and SSL_CERT_FILE")
