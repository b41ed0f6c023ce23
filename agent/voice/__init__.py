"""The box's own sounds and words, which need no service.

Nothing that decides when to speak may live here. Imported by faults, turn, status, app, tuning and commands. Doors:
``announcer.Announcer``, ``earcons.Earcon``, ``phrase.Phrase``, ``phrase.Words``, ``recordings.Recordings``.
"""
