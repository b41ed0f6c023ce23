"""Being a daemon: how the process begins and ends beside the agent itself.

Imported by commands. Doors: ``first_boot.prepare``, ``process``.
"""
