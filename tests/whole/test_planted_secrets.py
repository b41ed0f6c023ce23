"""Secrets and sentences are planted wherever text comes from; then every byte that the box wrote is searched for them.

What is planted, and how it is searched for, is in tests/support/planted.py.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from base64 import b64encode
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trustme

from agent.simulator.voice import ASSETS
from tests.support.command import NO_DEVICES, PATIENCE_S, environment, simulating
from tests.support.planted import (
    FORGED,
    KEY,
    ODD_KEY,
    PASSWORD,
    SECRETS,
    SENTENCES,
    TOKEN,
    quoted,
    search,
    search_text,
    split,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.real_time
LOUD = [sys.executable, "-m", "tests.support.loud"]


class Box:
    """Everything that the box writes is below one folder; what belongs to it is beside."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.beside = folder / "box", folder / "beside"
        self.folder.mkdir()
        self.beside.mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.beside / "ca.pem")
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(self.beside / "server.pem")
        self._runs = 0

    @property
    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.beside / "server.pem")
        return context

    def run(self, *arguments: str, typed: str = "", key: str | None = KEY, **more: str) -> str:
        """Run a command as loudly as it can; what it prints is written below the folder and returned."""
        self._runs += 1
        done = subprocess.run(
            [*LOUD, *arguments],
            input=typed.encode(),
            capture_output=True,
            timeout=2 * PATIENCE_S,
            check=False,
            env=self._environment(key, more),
        )
        (self.folder / f"{self._runs}-stdout.txt").write_bytes(done.stdout)
        (self.folder / f"{self._runs}-stderr.log").write_bytes(done.stderr)
        return (done.stdout + done.stderr).decode()

    def serve(self, url: str, until: str, key: str) -> str:
        """Run the daemon with a WAV as its microphone until its log says so, then stop it; returns the log."""
        files = f'microphone = "{ASSETS}/questions/gauge.wav"\nspeaker = "{self.folder}/played.wav"'
        (self.beside / "config.toml").write_text(
            f'[service]\nurl = "{url}"\n[audio]\n{files}\n[camera]\nsource = "{ASSETS}/frames"\n'
            '[gpio]\nbutton = "none"\nlight = "log"\n[log]\nlevel = "DEBUG"\n'
        )
        log = self.folder / "run-stderr.log"
        with log.open("wb") as out:
            command = [*LOUD, "run", "--config", str(self.beside / "config.toml")]
            with subprocess.Popen(command, stdout=out, stderr=out, env=self._environment(key, {})) as process:
                deadline = time.monotonic() + PATIENCE_S
                while until not in log.read_text() and time.monotonic() < deadline:
                    time.sleep(0.1)
                process.terminate()
                process.wait(PATIENCE_S)
        return log.read_text()

    def _environment(self, key: str | None, more: dict[str, str]) -> dict[str, str]:
        fixed = {"SSL_CERT_FILE": str(self.beside / "ca.pem"), "XDG_STATE_HOME": str(self.folder / "state")}
        fixed["ftp_proxy"] = f"http://user:{PASSWORD}@127.0.0.1:1"  # not used, but known
        return environment(**fixed, **({} if key is None else {"GEMINI_API_KEY": key}), **more)

    def talk(self, url: str, *options: str, typed: str = "", key: str | None = KEY, **more: str) -> str:
        """Ask what is ``typed``, with everything written that can be."""
        told = ("--events", str(self.folder / f"events-{self._runs}.jsonl"), "--log-level", "DEBUG")
        return self.run("talk", *NO_DEVICES, "--url", url, *told, *options, typed=typed, key=key, **more)

    @contextmanager
    def service(self, scenario: str) -> Iterator[str]:
        """Serve the simulator over TLS; gives its address."""
        (self.beside / "scenario.toml").write_text(scenario)
        with simulating(
            *("--tls-cert", str(self.beside / "server.pem"), "--scenario", str(self.beside / "scenario.toml"))
        ) as url:
            yield url

    def clean(self) -> None:
        """Nothing that was planted is anywhere in the folder."""
        assert search(self.folder) == []
        assert search_text(self.folder) == []


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@contextmanager
def answering(answer: Callable[[bytes], bytes], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer each request over TCP as ``answer`` says, and hang up; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    plain, _ = server.accept()
                except OSError:
                    return
                with plain:
                    try:
                        with plain if tls is None else tls.wrap_socket(plain, server_side=True) as line:
                            line.sendall(answer(line.recv(65536)))
                    except OSError:
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_S)


def sent(message: object, at_s: float) -> str:
    """Return a fault of the simulator: it sends a message of ours."""
    return f'[[fault]]\nkind = "send"\nat_s = {at_s}\ntext = {json.dumps(json.dumps(message))}\n'


def hostile(words: str) -> str:
    """Return a scenario in which the service puts ``words`` wherever it may put any."""
    call = {"id": "1", "name": words, "args": {words: [words, {"deep": words}]}}
    spoken = {"inputTranscription": {"text": words}, "outputTranscription": {"text": words}}
    ended = {"turnComplete": True, "turnCompleteReason": words}
    return "\n".join(
        [
            sent({"serverContent": spoken}, 0.9),
            sent({"toolCall": {"functionCalls": [call]}}, 1.0),
            sent({"goAway": {"timeLeft": words}}, 1.1),
            sent({"unknown": words}, 1.2),
            sent({"serverContent": ended}, 3.8),
        ]
    )


# the service


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
def test_a_service_that_quotes_the_key_wherever_it_can(box: Box, key: str) -> None:
    with box.service(hostile(f"{quoted(key)} Bearer {TOKEN} wss://u:{PASSWORD}@h")) as url:
        told = box.talk(url, typed="one\n", key=key)
    assert "link        up" in told
    assert "> x-goog-api-key: [redacted]" in told, "the library did log its headers"
    names = [name.rpartition("/")[2] for name, _ in written(box.folder)]
    assert {"journal.db", "events-0.jsonl"} <= set(names)
    for form in ("html", "json", "zip"):
        box.run("log", "export", "1", "--format", form, "--out", str(box.folder / f"record.{form}"), key=None)
    assert "[redacted]" in box.run("log", "show", "1", key=None)
    box.clean()


def test_a_service_that_says_a_sentence_wherever_it_can(box: Box) -> None:
    with box.service(hostile(" ".join(SENTENCES.values()))) as url:
        assert "planted sentence" in box.talk(url, typed="one\n")
    box.run("log", "show", "1")
    box.run("log", "export", "1", "--format", "json", "--out", str(box.folder / "record.json"))
    box.run("log", "export", "1", "--format", "html", "--out", str(box.folder / "record.html"))
    box.clean()


def test_a_daemon_whose_service_quotes_everything(box: Box) -> None:
    words = f"{quoted(ODD_KEY)} {' '.join(SENTENCES.values())}"
    reason = json.dumps(f"quota {split(ODD_KEY)}\x1b[2J\u202e")
    close = f'[[fault]]\nkind = "close"\nat_s = 5.0\ncode = 1011\nreason = {reason}\ntimes = 0\n'
    with box.service(f"{hostile(words)}\n{close}") as url:
        told = box.serve(url, "link: quota", ODD_KEY)
    assert "link: quota used up: 1011 quota [redacted]" in told
    assert "> x-goog-api-key: [redacted]" in told
    assert told.endswith("INFO stopped\n")
    box.clean()


@pytest.mark.parametrize("secret", [KEY, ODD_KEY])
def test_a_close_reason_quotes_the_key(box: Box, secret: str) -> None:
    reason = json.dumps(f"API key not valid: {split(secret)} \x1b[2J\u202e")
    with box.service(f'[[fault]]\nkind = "close"\nat_s = 0.4\ncode = 1008\nreason = {reason}\ntimes = 0\n') as url:
        told = box.talk(url, "--for", "2", key=secret)
    assert "API key not valid: [redacted]" in told
    box.clean()


@pytest.mark.parametrize("secret", [KEY, ODD_KEY])
def test_something_that_is_no_service_echoes_the_request(box: Box, secret: str) -> None:
    def echo(request: bytes) -> bytes:
        header = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"x-goog-api-key"))
        return b"HTTP/1.1 " + header + b" \x1b[2J\r\n\r\n"

    with answering(echo, box.tls) as port:
        told = box.talk(f"wss://localhost:{port}", key=secret)
    assert "not a WebSocket service" in told
    box.clean()


def test_an_error_page_quotes_the_key(box: Box) -> None:
    def page(request: bytes) -> bytes:
        return b"HTTP/1.1 403 %s\r\nX-Quoted: %s\r\nContent-Length: %d\r\n\r\n%s" % (
            *(KEY.encode(), KEY.encode(), len(request)),
            request,
        )

    with answering(page, box.tls) as port:
        assert "API key refused: HTTP 403" in box.talk(f"wss://localhost:{port}")
    box.clean()


# the key itself


@pytest.mark.parametrize(
    "key", [f"\u201c{KEY}\u201d", f"{ODD_KEY[:20]}\u2013{ODD_KEY[20:]}", f"{KEY}\x1b[2J", f"'{ODD_KEY}'"]
)
def test_a_key_that_cannot_be_sent(box: Box, key: str) -> None:
    assert "$GEMINI_API_KEY: holds no usable API key" in box.talk("wss://localhost:1", key=key)
    file = box.beside / "key"
    file.write_text(key)
    file.chmod(0o600)
    (box.beside / "config.toml").write_text(f'[service]\nkey_file = "{file}"\n')
    for command in ("check-config", "run", "talk"):
        assert "holds no usable API key" in box.run(command, "--config", str(box.beside / "config.toml"), key=None)
    box.clean()


def test_a_key_in_the_wrong_place(box: Box) -> None:
    for where in (f'[service]\nkey_file = "{KEY}"', f'[service]\napi_key = "{ODD_KEY}"', f"[service]\n{KEY} = 1"):
        (box.beside / "config.toml").write_text(where)
        assert "config.toml" in box.run("check-config", "--config", str(box.beside / "config.toml"), key=None)
    assert "unrecognized arguments: [redacted]" in box.run("talk", KEY)
    box.clean()


def test_a_key_over_an_unencrypted_line(box: Box) -> None:
    requests: list[bytes] = []

    def listen(request: bytes) -> bytes:
        requests.append(request)
        return b""

    with answering(listen) as port:
        box.talk(f"ws://localhost:{port}")
        proxy = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), f"http://127.0.0.1:{port}")
        box.talk("ws://192.0.2.1", "--allow-unencrypted", no_proxy="", **proxy)
        assert "unencrypted to another machine" in box.talk("ws://192.0.2.1")
    assert b"x-goog-api-key: none" in requests[0]
    assert len(requests) == 2
    assert not [secret for secret in SECRETS.values() if secret.encode() in b"".join(requests)]
    box.clean()


# addresses


@pytest.mark.parametrize("scheme", ["wss", "ws", "https"])
def test_a_password_in_the_address_of_the_service(box: Box, scheme: str) -> None:
    url = f"{scheme}://user:{PASSWORD}@localhost:1"
    assert "a user name or password in the address" in box.talk(url)
    (box.beside / "config.toml").write_text(f'[service]\nurl = "{url}"\n')
    for command in ("check-config", "run"):
        assert "a user name or password" in box.run(command, "--config", str(box.beside / "config.toml"))
    box.clean()


@pytest.mark.parametrize(
    "proxy",
    [
        *("http://user:{}@127.0.0.1:{}", "gopher://user:{}@127.0.0.1:{}", "http://user:{}@127.0.0.1:{}/path"),
        *("user:{}@127.0.0.1:{}", "socks5h://user:{}@127.0.0.1:{}", "http://user:{}@127.0.0.1:port{}"),
    ],
)
@pytest.mark.parametrize("encoded", [True, False], ids=["encoded", "raw"])
def test_a_password_of_a_proxy(box: Box, proxy: str, *, encoded: bool) -> None:
    def refuse(request: bytes) -> bytes:
        header = next((line for line in request.split(b"\r\n") if b"uthorization" in line), b"") + PASSWORD.encode()
        return b"HTTP/1.1 407 " + header + b"\r\nX-Quoted: " + header + b"\r\n\r\n"

    with answering(refuse) as port:
        address = proxy.format(quote(PASSWORD, safe="") if encoded else PASSWORD, port)
        told = box.talk("wss://192.0.2.1", https_proxy=address, all_proxy=address, no_proxy="")
    assert "link        offline" in told
    box.clean()


# what breaks


@pytest.mark.parametrize("place", ["main", "thread", "task", "end", "log", "hook"])
def test_a_crash_that_quotes_everything(box: Box, place: str) -> None:
    told = box.run("talk", *NO_DEVICES, "--url", "wss://localhost:1", CRASH=place, GOOGLE_API_KEY=ODD_KEY)
    assert "[redacted]" in told
    assert search(box.folder) == []
    assert not [line for line in told.splitlines() if line.startswith(FORGED)]


# what was written before, and what others see


def plant(journal: Path) -> None:
    """Write into every column for a text what the program itself would no longer write."""
    evil = f"{SENTENCES['terminal title']} {KEY} {quoted(ODD_KEY)}"
    call = json.dumps({evil: evil})
    with closing(sqlite3.connect(journal)) as database, database:
        database.execute("UPDATE conversation SET model = ?", [evil])
        database.execute("INSERT INTO conversation SELECT 2, began_at, last_at, model, 0, '', 0 FROM conversation")
        database.execute("UPDATE turn SET text = ?, question = ?, answer = ?, played = ?, reason = ?", [evil] * 5)
        database.execute(
            "INSERT INTO turn (number, conversation, kind, state, began_at, answer, played)"
            " SELECT 2, 2, 'unasked', 'answered', began_at, ?1, ?1 FROM turn",
            [evil],
        )
        database.execute(
            "INSERT INTO call (conversation, call_id, name, arguments, result, began_at, ended_at)"
            " SELECT 1, ?1, ?1, ?2, ?2, began_at, began_at FROM turn",
            [evil, call],
        )
        database.execute("INSERT INTO still (conversation, at, file, size) SELECT 1, began_at, ?1, 1 FROM turn", [evil])
        database.execute(
            "INSERT INTO event (at, kind, text, conversation) SELECT began_at, ?1, ?1, 1 FROM turn", [evil]
        )


def test_what_an_older_version_wrote_is_shown_without_it(box: Box) -> None:
    with box.service("") as url:
        box.talk(url, typed="one\n")
    journal = next(path for path in box.folder.rglob("journal.db"))
    plant(journal)
    state = box.beside / "state"
    state.mkdir(mode=0o700)
    journal.rename(state / "journal.db")
    for form in ("html", "json", "zip"):
        out = ("--out", str(box.folder / f"record.{form}"))
        box.run("log", "export", "1", "--state", str(state), "--format", form, *out, key=ODD_KEY)
    assert "[redacted]" in box.run("log", "show", "1", "--state", str(state), key=ODD_KEY)
    assert "(unasked) ]0;planted" in box.run("log", "--state", str(state), key=ODD_KEY)
    box.clean()


PROGRAM = """
import sys
from agent.auth import environment
from hardware.sound.mixer import set_levels
environment.take()
set_levels(0, "playback", 50)
sys.stdout.buffer.write(open("/proc/self/environ", "rb").read())
"""


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_no_child_and_no_neighbour_sees_the_key(box: Box, name: str) -> None:
    programs = box.beside / "programs"
    programs.mkdir()
    for program in ("amixer", "espeak-ng"):
        (programs / program).write_text(f"#!/bin/sh\nenv >>{box.folder}/environment-of-{program}.txt\n")
        (programs / program).chmod(0o700)
    proxies = {"https_proxy": f"http://user:{quote(PASSWORD, safe='')}@127.0.0.1:1"}
    given = environment(**{name: KEY}, **proxies, PATH=f"{programs}:{os.environ['PATH']}")
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=given, capture_output=True, check=True)
    shown = done.stdout.replace(proxies["https_proxy"].encode(), b"").replace(b"\0", b"\n")
    (box.folder / "environ.txt").write_bytes(shown)
    assert (box.folder / "environment-of-amixer.txt").read_text().count("PATH=") > 0
    box.clean()


def test_the_search_finds_what_is_there(box: Box) -> None:
    for what, secret in SECRETS.items():
        for form in (secret, quote(secret, safe=""), split(secret), b64encode(secret.encode()).decode()):
            (box.folder / "a.bin").write_text(form)
            assert what in [found.what for found in search(box.folder)], form
    for sentence in SENTENCES.values():
        (box.folder / "a.log").write_bytes(sentence.encode("utf-8", "replace"))
        assert search_text(box.folder) or "\ud800" in sentence
