"""Keeps one connection while it is wanted: open, send, read, notice a dead line, back off.

The only room that uses the websockets library and the kernel's sockets. It knows neither turns nor conversations: they
listen to it. Imported by conversation, notices, screen, status and turn. Doors: ``link.Link``, ``link.Listener``,
``state.LinkState``, ``verdicts.Verdict``, ``verdicts.Next``.
"""
