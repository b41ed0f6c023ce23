"""The job record: one conversation from the store, for people and for programs.

Reads only. Imported by commands. Doors: ``record``, ``text``, ``files``.
"""
