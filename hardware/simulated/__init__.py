"""Devices without hardware: a whole box in a simulated room, and stand-ins for parts that a box may lack.

Never the fallback for a missing device. Imported by commands and ``open_devices``. Doors: ``box.SimulatedBox``,
``microphones``, ``speakers``, ``camera``, ``panel``, ``clock``, ``technician``.
"""
