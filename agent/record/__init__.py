"""The job record: one conversation from the store, for people and programs.

Reads only. Imported by commands. Doors: ``record``, ``text``, ``files``.
"""
