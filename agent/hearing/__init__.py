"""From a microphone chunk to the start or end of speech, and whether this place allows hands-free and barge-in.

No device and no connection may live here. Imported by mic_path. Doors: ``ear.Ear``, ``endpointer.Edge``,
``acoustics.Acoustics``,
``deafness.Deafness``.
"""
