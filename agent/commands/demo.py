"""``field-agent demo``: a scripted technician, a simulated box, the real agent, the bundled simulator."""

from __future__ import annotations

import asyncio
import importlib.resources
import json
import os
import shutil
import sys
import wave
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent import config
from agent.errors import ConfigError, LinkError
from agent.notices import TurnEnded
from agent.outside.text import one_line
from agent.screen import plot
from agent.screen.lines import Lines, figures
from agent.screen.observers import SCREEN, Observers, Outcome
from agent.screen.panel import Panel, can_be_drawn_on
from agent.screen.plot import Diary, Look
from agent.service.process import before_exit, card_away, soon_over, to_the_end, until_first
from agent.simulator.bottleneck import Bottleneck, Trace, TraceError
from agent.store.layout import Layout
from agent.terminal import fail, positive, shortened, start_log
from hardware.files import check_replaceable, create_private
from hardware.ports import SPEAKER_FORMAT, Devices, reason
from hardware.simulated.technician import Technician

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from agent.app import Agent
    from agent.metrics import TurnSummary
    from agent.notices import Notice
    from agent.simulator import Scenario
    from hardware.simulated.box import SimulatedBox
    from hardware.simulated.speakers import RoomSpeaker

QUEUE_S = 0.15
"""The router's queue. The bottleneck splits TCP, so a longer queue would hide from the kernel how late speech is."""
RESULTS = ("server-received.wav", "speaker-played.wav", "report.json", "uplink.svg")
"""The files that a demo leaves in its folder."""
STATE = "demo-state"
"""Its log, which the next demo removes; not the name that a person would give to the log of a box."""
LOOK_S = 0.1
"""The plot's resolution."""
PATIENCE_S = 2.5
"""How long a sound card may be away: a demo that nobody hears is over. A hiccup is shorter: a card that comes back is
opened again within 2 s."""
READ_BYTES = 4096
LEAST_COLUMN, MOST_COLUMN = 12, 46
"""Bounds for the width of the table's column of questions, which depends on the terminal."""
ASSETS = Path(str(importlib.resources.files("agent.simulator"))) / "assets"


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    sub.add_argument("--fast", action="store_true", help="run in virtual time: a minute takes a second")
    sub.add_argument("--mic", metavar="default|NAME", help="use a real microphone: you speak, Enter is the button")
    sub.add_argument("--speaker", metavar="default|NAME", help="play the answers on a real speaker")
    sub.add_argument("--scenario", metavar="NAME|FILE", help="let the simulator misbehave")
    sub.add_argument("--uplink", type=positive, metavar="KBIT", help="limit the uplink to the simulator to KBIT kbit/s")
    sub.add_argument("--uplink-trace", type=Path, metavar="FILE", help="vary that limit: SECONDS KBIT on each line")
    sub.add_argument("--plain", action="store_true", help="print lines instead of the live panel")
    sub.add_argument("--out", type=Path, default=Path("out/demo"), metavar="FOLDER", help="where to write the results")


def run(arguments: argparse.Namespace) -> int:
    """Play the conversation and return the exit code. Raises ConfigError, DeviceError."""
    start_log("ERROR")
    if arguments.fast and (arguments.mic or arguments.speaker):
        raise ConfigError("--fast: a real microphone or speaker runs in real time only")
    prepare(arguments.out)
    trace = line_of(arguments)
    if arguments.fast:
        from hardware.simulated.clock import run_virtual  # noqa: PLC0415 - the real clock needs no substitute

        return to_the_end(Demo(arguments, trace).play(), run_virtual)
    return to_the_end(Demo(arguments, trace).play())


def prepare(out: Path) -> None:
    """Create the folder of the results if need be; remove what an earlier demo logged there. Raises ConfigError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if Layout(out / STATE).journal.exists():  # each demo begins a new conversation
            shutil.rmtree(out / STATE)
    except OSError as error:
        problem = "is not a folder" if isinstance(error, FileExistsError) else reason(error)
        raise ConfigError(f"--out {out}: {problem} (name a writable folder)") from None
    for name in RESULTS:
        try:
            check_replaceable(out / name)
        except OSError as error:
            raise ConfigError(f"--out {out}: {name} in it {reason(error)} (name another folder)") from None


@dataclass(slots=True)
class Demo:
    """One run of the demo."""

    arguments: argparse.Namespace
    trace: Trace | None
    observers: Observers = field(default_factory=Observers)
    outcome: Outcome = field(default_factory=Outcome)
    turns: list[TurnSummary] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    async def play(self) -> int:
        """Start the simulator and the simulated box, play the conversation, sum it up; return the exit code."""
        from agent.simulator import Simulator, SimulatorSettings  # noqa: PLC0415 - after the options are known to be good
        from hardware.simulated.box import SimulatedBox  # noqa: PLC0415 - the same

        box = SimulatedBox.build(asyncio.get_running_loop(), pictures=ASSETS / "frames")
        scenario = chosen_scenario(self.arguments.scenario)
        with soon_over():
            devices = await self._devices(box)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(devices.aclose)
            simulator = await stack.enter_async_context(Simulator(SimulatorSettings(), scenario))
            url = simulator.base_url
            if self.trace is not None:
                line = await stack.enter_async_context(
                    Bottleneck("127.0.0.1", simulator.port, self.trace, queue_s=QUEUE_S)
                )
                url = f"ws://127.0.0.1:{line.port}"
            with soon_over():
                await self._converse(url, box, devices)
        if not self.observers.left.is_set():
            speaker = None if self.arguments.speaker else box.speaker
            self._sum_up(simulator.report(), simulator.save_audio, speaker, due=bool(scenario.faults))
        return self._verdict()

    async def _converse(self, url: str, box: SimulatedBox, devices: Devices) -> None:
        """Run the agent and its observers while the technician works."""
        from agent.app import Agent  # noqa: PLC0415 - after the options are known to be good

        loop = asyncio.get_running_loop()
        state = self.arguments.out / STATE
        chosen = {"service": {"url": url}, "link": {"kernel": not self.arguments.fast}, "paths": {"state": str(state)}}
        settings = config.override(config.Settings(), chosen, where="demo")
        agent = Agent(settings, devices, lambda: "demo", self.observers)
        view = self._view(agent, loop.time)
        for name, observer in (("turns", self._keep), ("tally", self.outcome.observe), (SCREEN, view.observe)):
            self.observers.add(name, observer)
        jobs = [self._watch_line(agent, loop.time)]
        if isinstance(view, Panel):
            jobs.append(view.run())
            before_exit(view.restore)
        tasks = [asyncio.ensure_future(job) for job in jobs]
        ends = [agent.run(keep_trying=True), self.observers.left.wait(), card_away(devices, PATIENCE_S)]
        try:
            await until_first(self._act(box, devices), ends)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_line(self, agent: Agent, clock: Callable[[], float]) -> None:
        """Sample the uplink for the plot; returns at once without a trace, else runs until cancelled."""
        trace = self.trace
        if trace is None:
            return
        diary = Diary(agent.snapshot, lambda at: trace.at(at).kbit, clock)
        self.looks = diary.looks
        while True:
            diary.look()
            await asyncio.sleep(LOOK_S)

    async def _devices(self, box: SimulatedBox) -> Devices:
        if not (self.arguments.mic or self.arguments.speaker):
            return box.devices
        from hardware import open_devices  # noqa: PLC0415 - the demo needs no device otherwise

        chosen = {"audio": {"microphone": self.arguments.mic or "silence", "speaker": self.arguments.speaker or "none"}}
        chosen |= {"camera": {"source": "none"}, "gpio": {"button": "none", "light": "none"}}
        settings = config.override(config.Settings(), chosen, where="command line")
        # In a thread, for a sound server that hangs must not keep Ctrl-C waiting.
        real = await asyncio.to_thread(open_devices, settings.devices, asyncio.get_running_loop())
        microphone = real.microphone if self.arguments.mic else box.microphone
        speaker = real.speaker if self.arguments.speaker else box.speaker
        return Devices(microphone, speaker, box.camera, box.button, box.light)

    def _view(self, agent: Agent, clock: Callable[[], float]) -> Lines | Panel:
        if can_be_drawn_on() and not (self.arguments.plain or self.arguments.fast or self.arguments.mic):
            try:
                return Panel(agent.snapshot, "field-agent demo: a technician at pump P-204")
            except ImportError:
                pass  # rich is an extra; lines say the same
        return Lines(clock, latest=lambda: agent.snapshot().turn)

    async def _act(self, box: SimulatedBox, devices: Devices) -> None:
        if self.arguments.mic:
            await _enter_is_the_button(box)
            return
        await Technician(box.room, box.button, devices.speaker, ASSETS / "questions").work()

    def _keep(self, notice: Notice) -> None:
        if isinstance(notice, TurnEnded):
            self.turns.append(notice.turn)

    def _sum_up(
        self, report: dict[str, Any], save_audio: Callable[[BinaryIO], None], speaker: RoomSpeaker | None, *, due: bool
    ) -> None:
        """Write the files and print the table; ``due``: a fault should have come."""
        out = self.arguments.out
        heard, played, data, svg = (out / name for name in RESULTS)
        with create_private(heard) as file:
            save_audio(file)
        with create_private(data) as file:
            file.write(json.dumps(report, indent=2).encode())
        lines = [summary(self.turns, report, shutil.get_terminal_size().columns), *faults(report, due=due)]
        lines += [f"server received  {heard}"]
        if speaker is not None:
            save_sounds(speaker, played)
            lines.append(f"speaker played   {played}")
        lines.append(f"report           {data}")
        if self.looks:
            plot.save(self.looks, svg)
            late = sorted(1000 * look.lag_s for look in self.looks)
            lines.append(f"speech late by   {late[len(late) * 99 // 100]:.0f} ms (p99)")
            lines.append(f"plot             {svg}")
        sys.stdout.write("\n" + "\n".join(lines) + "\n")

    def _verdict(self) -> int:
        """Return the exit code; print why if it is not 0."""
        code = self.observers.report()
        if code or self.turns:
            return code
        return fail(
            self.outcome.complaint() or f"no turn happened: {self.outcome.problem or 'nothing was asked'}",
            LinkError.exit_code,
        )


def chosen_scenario(name: str | None) -> Scenario:
    """Return the scenario that was asked for, by default one without faults. Raises ConfigError."""
    from agent.simulator import Scenario, ScenarioError, find  # noqa: PLC0415 - after the options are known to be good

    try:
        return find(name) if name else Scenario()
    except ScenarioError as error:
        raise ConfigError(str(error)) from None


def line_of(arguments: argparse.Namespace) -> Trace | None:
    """Return the trace of the uplink that was asked for, if any. Raises ConfigError."""
    try:
        if arguments.uplink_trace is not None:
            return Trace.read(arguments.uplink_trace)
        return None if arguments.uplink is None else Trace.constant(arguments.uplink)
    except TraceError as error:
        raise ConfigError(str(error)) from None


async def _enter_is_the_button(box: SimulatedBox) -> None:
    """Tap the button for each Enter at the terminal, until end of input."""
    sys.stdout.write("Enter is the button; Ctrl-D ends.\n")
    sys.stdout.flush()
    typed = _typed(asyncio.get_running_loop())
    while data := await typed.get():
        for _ in range(data.count(b"\n")):
            await box.button.tap()


def _typed(loop: asyncio.AbstractEventLoop) -> asyncio.Queue[bytes]:
    """Return a queue of what is typed, empty bytes at its end. No thread waits for it: Ctrl-C would wait for Enter."""
    typed: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> bool:
        try:
            data = os.read(sys.stdin.fileno(), READ_BYTES)
        except OSError:  # the terminal is gone
            data = b""
        if not data:
            loop.remove_reader(sys.stdin)
        typed.put_nowait(data)
        return bool(data)

    if sys.stdin is None:
        typed.put_nowait(b"")
        return typed
    try:
        loop.add_reader(sys.stdin, read)
    except PermissionError:  # epoll refuses plain files, which are always ready
        while read():
            pass
    return typed


def summary(turns: list[TurnSummary], report: dict[str, Any], width: int = 80) -> str:
    """Return the table at the end, ``width`` columns wide if the figures leave room for the questions."""
    right = [f"{figures(turn)}{', cut' if turn.interrupted else ''}" for turn in turns]
    column = max(LEAST_COLUMN, min(MOST_COLUMN, width - 7 - max(map(len, right), default=0)))
    lines = [f"turn  {shortened('heard by the service', column):<{column}} figures"]
    for number, turn in enumerate(turns, 1):
        lines.append(f"{number:>4}  {shortened(one_line(turn.question_text), column):<{column}} {right[number - 1]}")
    spoken = sum(utterance["seconds"] for utterance in report["utterances"])
    frames = report["frames"]
    lines.append(
        f"the service received {spoken:.1f} s of speech in {len(report['utterances'])} utterances and "
        f"{frames['count']} frames ({frames['bytes'] / 1000:.0f} kB)"
    )
    return "\n".join(lines)


def faults(report: dict[str, Any], *, due: bool) -> list[str]:
    """Return a line about the faults that came, or that none came though one was ``due``; else nothing."""
    came: dict[str, list[float]] = {}
    for fault in report["faults"]:
        came.setdefault(fault["fault"], []).append(fault["at_s"])
    if came:
        said = (f"{kind} at {at[0]:.1f} s" + (f" ({len(at)} times)" if at[1:] else "") for kind, at in came.items())
        return [f"faults: {', '.join(said)}"]
    return ["the scenario's fault never came"] if due else []


def save_sounds(speaker: RoomSpeaker, path: Path) -> None:
    """Write what a speaker played as one WAV, with the silence in between."""
    with create_private(path) as file, wave.open(file, "wb") as wav:
        wav.setparams((1, 2, SPEAKER_FORMAT.rate, 0, "NONE", ""))
        end = speaker.sounds[0].at if speaker.sounds else 0.0
        for sound in speaker.sounds:
            wav.writeframes(bytes(SPEAKER_FORMAT.bytes_in(max(0.0, sound.at - end))))
            wav.writeframes(bytes(sound.pcm))
            end = sound.at + sound.seconds
