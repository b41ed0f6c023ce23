"""Being a daemon: what happens at start-up beside the agent itself.

Imported by commands. Door: ``first_boot.prepare``.
"""
