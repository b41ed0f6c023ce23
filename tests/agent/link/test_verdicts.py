import pytest

from agent.faults import Fault
from agent.link.verdicts import (
    EXPIRED,
    LIFE_S,
    NOT_YET_VALID,
    QUOTA_WAIT_S,
    REFUSED_WAIT_S,
    RELEASED_AT,
    Next,
    Reach,
    Verdict,
    judge_certificate,
    judge_close,
    judge_key,
    judge_misbehaviour,
    judge_status,
    judge_unknown_host,
    judge_unreachable,
)
from agent.outside.text import learn

QUOTA = "You exceeded your current quota, please check your plan and billing details."
CONFIG_LOST = "The audio content type (CONTENT_TYPE_AUDIO) is not supported for this model configuration."
MODEL = "models/gemini-9 is not found for API version v1beta, or is not supported for bidiGenerateContent."
ABORTED = "The operation was aborted."

# Every row of PROTOCOL.md 4.9, as it meets a resumed connection for the first time:
# code, reason, what to do, whether at once, least wait
CLOSES = [
    (1000, "", Next.RESUME, True, 0),
    (1001, "going away", Next.RESUME, True, 0),
    (1005, "", Next.RESUME, True, 0),
    (1006, "", Next.RESUME, True, 0),
    (1007, "Request contains an invalid argument.", Next.FRESH, False, 0),
    (1007, 'Invalid JSON payload received. Unknown name "x"', Next.FRESH, False, 0),
    (1007, "The requested combination of response modalities (TEXT) is not supported", Next.FRESH, False, 0),
    (1007, "Explicit activity control is not supported when automatic activity detection is", Next.FRESH, False, 0),
    (1007, "Function response scheduling is not supported for this model.", Next.FRESH, False, 0),
    (1007, "API key not valid. Please pass a valid API key.", Next.REFUSED, False, REFUSED_WAIT_S),
    (1007, "Invalid session handle", Next.FRESH, True, 0),
    (1007, CONFIG_LOST, Next.FRESH, True, 0),
    (1008, "BidiGenerateContent session not found", Next.FRESH, True, 0),
    (1008, "Requested entity was not found.", Next.FRESH, True, 0),
    (1008, MODEL, Next.REFUSED, False, REFUSED_WAIT_S),
    (1008, "Operation is not implemented, or supported, or enabled.", Next.FRESH, False, 0),
    (1008, ABORTED, Next.RESUME, True, 0),
    (1011, "Internal error encountered.", Next.RESUME, False, 0),
    (1011, "Internal error occurred.", Next.RESUME, False, 0),
    (1011, QUOTA, Next.RESUME, False, QUOTA_WAIT_S),
    (1011, "RESOURCE_EXHAUSTED", Next.RESUME, False, QUOTA_WAIT_S),
    (1008, "Resource exhausted, try later", Next.RESUME, False, QUOTA_WAIT_S),
    (1011, "keepalive ping timeout", Next.RESUME, False, 0),
    (1011, "The service is currently unavailable.", Next.RESUME, False, 0),
    (1011, "Deadline expired before operation could complete.", Next.RESUME, False, 0),
    (1013, "try again later", Next.RESUME, False, 0),
    # and what else the table knows
    (1012, "service restart", Next.RESUME, False, 0),
    (1008, "Your API key has been suspended: PERMISSION_DENIED", Next.REFUSED, False, REFUSED_WAIT_S),
    (1007, "User location is not supported for the API use.", Next.REFUSED, False, REFUSED_WAIT_S),
    (4000, "something new", Next.RESUME, False, 0),
]


def judge(code: int, reason: str, *, resumed: bool, failures: int) -> Verdict:
    """The verdict on a close that is the ``failures``-th of its kind in a row."""
    kind = judge_close(code, reason, resumed=resumed, earlier={}).kind
    return judge_close(code, reason, resumed=resumed, earlier={kind: failures - 1})


@pytest.mark.parametrize(("code", "reason", "step", "at_once", "wait_s"), CLOSES)
def test_a_close_is_judged_by_code_and_reason(
    code: int, reason: str, step: Next, *, at_once: bool, wait_s: float
) -> None:
    verdict = judge(code, reason, resumed=True, failures=1)
    assert (verdict.next, verdict.at_once, verdict.wait_s) == (step, at_once, wait_s)
    assert f"{code} {reason}".rstrip() in verdict.problem


@pytest.mark.parametrize(("code", "reason", "step"), [row[:3] for row in CLOSES])
def test_a_reason_is_read_in_any_case(code: int, reason: str, step: Next) -> None:
    assert judge(code, reason.upper(), resumed=True, failures=1).next is step


@pytest.mark.parametrize(("code", "reason", "step"), [row[:3] for row in CLOSES])
def test_nothing_is_tried_at_once_twice_in_a_row(code: int, reason: str, step: Next) -> None:
    for resumed in (True, False):
        again = judge(code, reason, resumed=resumed, failures=2)
        assert not again.at_once or (again.next is Next.FRESH and resumed)  # the handle is gone then: no circle
        assert (again.next is Next.REFUSED) or step is not Next.REFUSED


def test_the_second_failure_in_a_row_drops_the_handle() -> None:
    assert judge(1011, "Internal error", resumed=True, failures=1).next is Next.RESUME
    assert judge(1011, "Internal error", resumed=True, failures=2).next is Next.FRESH
    assert judge(1011, "Internal error", resumed=False, failures=2).next is Next.RESUME


def test_a_request_that_is_refused_even_on_a_fresh_session_is_ours_to_fix() -> None:
    reason = "Request contains an invalid argument."
    assert judge(1007, reason, resumed=True, failures=2).next is Next.FRESH
    assert judge(1007, reason, resumed=False, failures=1).next is Next.FRESH
    refused = judge(1007, reason, resumed=False, failures=2)
    assert refused == Verdict(
        Next.REFUSED,
        f"request refused: 1007 {reason}",
        "compare the log line with the model's documentation",
        REFUSED_WAIT_S,
        fault=Fault.REQUEST,
        kind="request refused",
    )


def test_two_failures_of_the_service_and_one_refused_request_are_not_a_refusal_for_good() -> None:
    faults = {judge_status(503).kind: 2}
    assert judge_close(1007, "Request contains an invalid argument.", resumed=False, earlier=faults).next is Next.FRESH


def test_a_quota_is_announced_with_the_first_of_its_kind_whatever_failed_before() -> None:
    other, quota = judge_status(503).kind, judge_close(1011, QUOTA, resumed=False, earlier={}).kind
    assert not judge_close(1011, QUOTA, resumed=False, earlier={other: 1}).quiet
    assert judge_close(1011, QUOTA, resumed=False, earlier={quota: 1, other: 1}).quiet


def test_a_failed_handshake_and_a_close_are_the_same_fault_of_the_service() -> None:
    assert judge_status(503).kind == judge_close(1011, "", resumed=True, earlier={}).kind


def test_whoever_misbehaves_is_left_and_tried_again_and_then_without_the_handle() -> None:
    first = judge_misbehaviour("too many frames", resumed=True, earlier={})
    assert (first.next, first.at_once, first.fault) == (Next.RESUME, False, None)
    assert first.problem == "the service misbehaves: too many frames"
    again = {first.kind: 1}
    assert judge_misbehaviour("too many frames", resumed=True, earlier=again).next is Next.FRESH
    assert judge_misbehaviour("too many frames", resumed=False, earlier=again).next is Next.RESUME


def test_a_refused_key_says_what_to_check() -> None:
    verdict = judge(1007, "API key expired. Please renew the API key.", resumed=False, failures=1)
    assert "GEMINI_API_KEY" in verdict.fix
    assert "session.model" in judge(1008, MODEL, resumed=False, failures=1).fix


@pytest.mark.parametrize(
    ("status", "step", "wait_s", "named"),
    [
        (400, Next.REFUSED, REFUSED_WAIT_S, "service.url"),
        (404, Next.REFUSED, REFUSED_WAIT_S, "service.api_version"),
        (401, Next.REFUSED, REFUSED_WAIT_S, "GEMINI_API_KEY"),
        (403, Next.REFUSED, REFUSED_WAIT_S, "GEMINI_API_KEY"),
        (429, Next.RESUME, QUOTA_WAIT_S, "billing"),
        (500, Next.RESUME, 0, ""),
        (503, Next.RESUME, 0, ""),
        (302, Next.RESUME, 0, ""),
    ],
)
def test_a_refused_handshake_is_judged_by_its_status(status: int, step: Next, wait_s: float, named: str) -> None:
    verdict = judge_status(status)
    assert (verdict.next, verdict.wait_s, verdict.at_once) == (step, wait_s, False)
    assert verdict.problem.endswith(f"HTTP {status}")
    assert named in verdict.fix


def test_an_unreachable_service_is_tried_again_with_the_handle() -> None:
    assert judge_unreachable("connection refused", "check service.url") == Verdict(
        Next.RESUME, "connection refused", "check service.url"
    )


def test_a_verdict_is_one_line() -> None:
    assert str(Verdict(Next.RESUME, "connection refused", "check service.url")) == (
        "connection refused (check service.url)"
    )
    assert str(Verdict(Next.RESUME, "connection dropped: 1006")) == "connection dropped: 1006"


@pytest.mark.parametrize(("code", "reason", "step"), [row[:3] for row in CLOSES])
def test_whoever_refuses_us_gives_the_box_something_to_say(code: int, reason: str, step: Next) -> None:
    verdict = judge(code, reason, resumed=False, failures=1)
    quota = "quota" in reason or "exhausted" in reason.lower()
    assert (verdict.fault is not None) is (step is Next.REFUSED or quota)
    assert (verdict.fault is Fault.QUOTA) is quota
    assert not (verdict.quiet and step is Next.REFUSED)


def test_a_quota_that_ends_connections_is_announced_with_the_first_of_them_in_a_row() -> None:
    quiet = [judge(1011, QUOTA, resumed=False, failures=failures).quiet for failures in (1, 2, 3)]
    assert quiet == [False, True, True]


def test_a_quota_that_is_used_up_is_announced_and_waited_for() -> None:
    verdict = judge_status(429)
    assert (verdict.next, verdict.fault, verdict.wait_s) == (Next.RESUME, Fault.QUOTA, QUOTA_WAIT_S)
    assert not verdict.quiet
    assert judge_status(503).fault is None


@pytest.mark.parametrize(("code", "reach"), [(1000, Reach.SERVICE), (1011, Reach.SERVICE), (1006, None)])
def test_only_a_close_frame_shows_that_the_service_is_there(code: int, reach: Reach | None) -> None:
    assert judge(code, "", resumed=False, failures=1).reach is reach


@pytest.mark.parametrize(
    ("code", "now", "fault"),
    [
        (NOT_YET_VALID, 0.0, Fault.CLOCK),
        (NOT_YET_VALID, RELEASED_AT + 86_400, Fault.CLOCK),  # off for a season, and started where it was stopped
        (EXPIRED, RELEASED_AT + 86_400, None),  # theirs
        (EXPIRED, RELEASED_AT - 86_400, Fault.CLOCK),
        (EXPIRED, RELEASED_AT + LIFE_S + 86_400, Fault.CLOCK),
        (18, 0.0, None),  # self-signed
    ],
)
def test_a_wrong_clock_is_told_from_a_wrong_certificate(code: int, now: float, fault: Fault | None) -> None:
    verdict = judge_certificate(code, "no good", now)
    assert (verdict.next, verdict.fault, verdict.reach) == (Next.RESUME, fault, Reach.SERVICE)
    assert verdict.problem.endswith("no good")
    if fault is Fault.CLOCK and now == 0.0:
        assert str(verdict).startswith("the clock is wrong, it says 1970-01-01 00:00 UTC: ")
        assert "timedatectl" in verdict.fix


def test_a_key_that_cannot_be_read_is_refused_and_tried_again_slowly() -> None:
    verdict = judge_key("no API key")
    assert verdict == Verdict(Next.REFUSED, "no API key", wait_s=REFUSED_WAIT_S, fault=Fault.KEY, kind="key")


def test_no_verdict_shows_a_secret_or_commands_anything() -> None:
    learn("opensesame")
    for verdict in (
        judge_close(1008, "opense\u200bsame \x1b[2J\nERROR forged\u202e", resumed=False, earlier={}),
        judge_key("opensesame \x1b[2J\nERROR forged"),
        judge_unreachable("opensesame \x1b[2J\nERROR forged"),
        judge_certificate(18, "opensesame \x1b[2J\nERROR forged", RELEASED_AT),
    ):
        assert verdict.problem.endswith("[redacted] [2J ERROR forged")


def test_a_host_that_no_name_server_knows_is_for_a_person_and_tried_again_all_the_same() -> None:
    verdict = judge_unknown_host()
    assert (verdict.next, verdict.fault, verdict.reach) == (Next.RESUME, Fault.ADDRESS, Reach.NETWORK)
    assert not verdict.quiet
