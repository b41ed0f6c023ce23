"""One module per sub-command of ``field-agent``, and nothing else.

Each has ``options(parser)`` and ``run(arguments)``, and is imported by ``agent.cli`` when it is asked for. What two of
them need lives below, in a room of its own.
"""
