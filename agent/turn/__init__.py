"""PURE: what the box does: one machine, events in, effects out, time as an argument.

Nothing of wires, threads, sockets or devices may live here. Imported by app, conversation, device_watch, hearing,
mic_path, notices, noticing, screen and status. Doors: ``machine.Turn``, ``events``, ``effects``, ``phase.Phase``,
``gestures.Gestures``, ``condition.Condition``.
"""
