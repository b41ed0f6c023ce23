"""The box's own sounds and words, which need no service.

Nothing that decides when to speak may live here. Imported by app, commands, faults, notices, service, status and turn.
Doors: ``announcer.Announcer``, ``earcons.Earcon``, ``phrase.Phrase``, ``phrase.Words``, ``recordings.Recordings``.
"""
