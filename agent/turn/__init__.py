"""PURE: what the box does: one machine, events in, effects out, time as an argument.

Nothing of wires, threads, sockets or devices may live here. May be imported by whoever turns the world into events and
effects into deeds: app, conversation, vision, hearing, screen and commands. Doors: ``machine.Turn``, ``events``,
``effects``, ``phase.Phase``, ``gestures.Gestures``, ``condition.Condition``.
"""
