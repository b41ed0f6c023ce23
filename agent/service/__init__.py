"""The daemon's process around the agent: how it starts and how it ends.

Imported by commands. Doors: ``first_boot.prepare``, ``process``.
"""
