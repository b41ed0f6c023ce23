"""One module per sub-command of ``field-agent``, and nothing else.

Each has ``options(parser)`` and ``run(arguments)``, and is imported by ``agent.cli`` only when it is called. What two
commands share is in a room of its own.
"""
