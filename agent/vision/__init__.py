"""Pictures: frames while somebody speaks, stills when asked for.

No camera driver may live here, nor anything that knows the wire. Imported by app. Door: ``pictures.Pictures``.
"""
