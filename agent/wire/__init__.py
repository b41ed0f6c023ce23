"""PURE: the Live API: messages to bytes, bytes to events, the setup message, what a session remembers.

No socket, no clock and no policy may live here. Imported by uplink, link, conversation and tools. Doors: ``protocol``,
``events``, ``setup``, ``session.Session``, ``history.History``.
"""
