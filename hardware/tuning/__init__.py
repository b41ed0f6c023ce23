"""Tuning: measures microphone and loudspeaker, and says what to change.

Imported by commands, service and tuning. Doors: ``session.TuningSession``, ``rig.CardRig``,
``simulated_rig.SimulatedRig``, ``findings.Figures``.
"""
