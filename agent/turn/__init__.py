"""PURE: what the box does: one machine, events in, effects out, time as an argument.

No wire format, thread, socket or device may live here. Imported by app, control, conversation, device_watch, hearing,
mic_path, notices, noticing, screen and status. Doors: ``machine.Turn``, ``events``, ``effects``, ``phase.Phase``,
``gestures.Gestures``, ``condition.Condition``.
"""
