"""What comes from outside, made fit to be shown, logged and stored: no commands to a terminal, no secrets.

Text of a peer, a library, a child process or a device passes :mod:`agent.outside.text` before it becomes a verdict, a
log line, a notice or a row. Imports no other room. Imported by auth, cli, commands, link, record, screen, store,
terminal and wire. Doors: ``text``, ``logs``.
"""
