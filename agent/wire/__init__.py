"""PURE: the Live API: messages to bytes, bytes to events, the setup message, what the service's session remembers.

No socket, no clock and no policy may live here. Imported by conversation, link, tools and uplink. Doors: ``protocol``,
``events``, ``session.Session``, ``history.History``.
"""
