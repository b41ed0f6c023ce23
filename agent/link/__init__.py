"""One connection while it is wanted: open, send, read, notice a dead line, back off.

The only room that knows the websockets library and the kernel's sockets. It knows no turn and no conversation: they
listen. Imported by conversation, notices, screen, status and turn. Doors: ``link.Link``, ``link.Listener``,
``state.LinkState``, ``verdicts.Verdict``, ``verdicts.Next``.
"""
