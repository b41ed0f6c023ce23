"""A sound server with a simulated microphone and speaker, for the real PortAudio: PulseAudio null sinks behind ALSA.

    with SoundServer(folder) as server: os.environ.update(server.environment)

Needs pulseaudio, pulseaudio-utils (pactl, paplay, parec) and libasound2-plugins. What is played into the sink
``micfeed`` is heard by the ALSA device ``usbmic``; what is played to the ALSA device ``usbspk`` is recorded from the
monitor of the sink ``speaker``. ``usbcard`` is both in one. ``room`` is a card whose microphone hears its own speaker,
half as loud, and whatever else is played into the sink ``room``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType
    from typing import Self

MICROPHONE = "usbmic"
SPEAKER = "usbspk"
CARD = "usbcard"
ROOM = "room"
READY_S = 5.0

# norewinds: without it a null sink renders two seconds ahead and each output stream stalls once
MODULES = """\
load-module module-native-protocol-unix auth-anonymous=1 socket={socket}
load-module module-null-sink norewinds=1 sink_name=micfeed rate={rate} channels=1 format=s16le
load-module module-remap-source master=micfeed.monitor source_name=usbmic remix=no
load-module module-null-sink norewinds=1 sink_name=speaker rate={rate} channels=2 format=s16le
load-module module-null-sink norewinds=1 sink_name=room rate=48000 channels=1 format=s16le
load-module module-remap-source master=room.monitor source_name=roommic remix=no
set-default-sink speaker
set-default-source usbmic
"""
ALSA = """\
</usr/share/alsa/alsa.conf>
pcm.usbmic {{ type pulse server "unix:{socket}" device usbmic hint {{ show on description "microphone" }} }}
pcm.usbspk {{ type pulse server "unix:{socket}" device speaker hint {{ show on description "speaker" }} }}
pcm.usbcard {{ type asym playback.pcm "usbspk" capture.pcm "usbmic" hint {{ show on description "both" }} }}
pcm.roommic {{ type pulse server "unix:{socket}" device roommic }}
pcm.roomspk {{ type pulse server "unix:{socket}" device room }}
pcm.room {{ type asym playback.pcm "roomspk" capture.pcm "roommic" hint {{ show on description "echo" }} }}
pcm.!default {{ type asym playback.pcm "usbspk" capture.pcm "usbmic" }}
"""


def missing() -> str:
    """Return the programs that are not installed, or an empty string."""
    return ", ".join(name for name in ("pulseaudio", "pactl", "paplay", "parec") if shutil.which(name) is None)


needs_a_sound_server = pytest.mark.skipif(
    bool(missing()) and not os.environ.get("CI"),
    reason=f"not installed: {missing()} (apt install pulseaudio pulseaudio-utils)",
)


class SoundServer:
    """Runs while the ``with`` block does; may be killed and started again inside."""

    def __init__(self, folder: Path, rate: int = 48000) -> None:
        self.folder = folder
        self.socket = folder / "pa.sock"
        alsa = folder / "asound.conf"
        alsa.write_text(ALSA.format(socket=self.socket))
        (folder / "pulse.pa").write_text(MODULES.format(socket=self.socket, rate=rate))
        self.environment = {"ALSA_CONFIG_PATH": str(alsa), "PULSE_SERVER": f"unix:{self.socket}"}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        run = self.folder / "run"
        environment = os.environ | {
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(run),
            "PULSE_RUNTIME_PATH": str(run / "pulse"),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        run.mkdir(exist_ok=True)
        with (self.folder / "pulse.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("pulseaudio", "-n", "-F", str(self.folder / "pulse.pa"), "--daemonize=no", "--use-pid-file=0"),
                    *("--exit-idle-time=-1", "--realtime=0", "--high-priority=0", "--log-target=stderr"),
                ],
                env=environment,
                stderr=log,
                stdout=log,
            )
        limit = time.monotonic() + READY_S
        while self.run("pactl", "info").returncode:
            if time.monotonic() > limit:
                raise TimeoutError((self.folder / "pulse.log").read_text())
            time.sleep(0.02)
        self.run("pactl", "set-source-volume", "roommic", "50%")

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def process_environment(self) -> dict[str, str]:
        """For a program that plays to this server or records from it."""
        return os.environ | self.environment

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, env=self.process_environment, capture_output=True, check=False)

    def play(self, wav: Path, sink: str = "micfeed") -> subprocess.Popen[bytes]:
        """Play ``wav`` into the microphone, from about 45 ms on."""
        return subprocess.Popen(["paplay", f"--device={sink}", str(wav)], env=self.process_environment)

    def record(self, rate: int) -> AbstractContextManager[Path]:
        """Record what the speaker plays, as raw mono s16le at ``rate``."""
        from contextlib import contextmanager

        @contextmanager
        def recording() -> Iterator[Path]:
            path = self.folder / "speaker.raw"
            with path.open("wb") as file:
                process = subprocess.Popen(
                    [
                        *("parec", "--device=speaker.monitor", "--format=s16le", f"--rate={rate}", "--channels=1"),
                        *("--raw", "--latency-msec=10"),
                    ],
                    env=self.process_environment,
                    stdout=file,
                )
                try:
                    while not path.stat().st_size and process.poll() is None:
                        time.sleep(0.02)
                    yield path
                finally:
                    process.terminate()
                    process.wait()

        return recording()
