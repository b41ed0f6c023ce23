"""What a person at a terminal sees, from notices and snapshots alone.

Nothing here may reach into the agent. Imported by commands. Doors: ``lines.Lines``, ``panel.Panel``, ``plot``,
``observers.Observers``.
"""
