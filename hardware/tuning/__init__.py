"""Is the box set up so that it hears and is heard? Measures, and says what to change.

Imported by commands, service and tuning. Doors: ``session.TuningSession``, ``rig.CardRig``,
``simulated_rig.SimulatedRig``, ``findings.Figures``.
"""
