"""Is the box set up so that it hears and is heard? Measures, and says what to change.

Imported by ``agent.tuning``, ``agent.service`` and commands. Doors: ``session.TuningSession``, ``rig.CardRig``,
``simulated_rig.SimulatedRig``, ``findings.Figures``.
"""
