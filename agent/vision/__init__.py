"""Pictures: frames while the technician speaks, stills when asked for.

No camera driver and no wire format may live here. Imported by app. Door: ``pictures.Pictures``.
"""
