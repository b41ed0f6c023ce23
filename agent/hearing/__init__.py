"""From a microphone chunk to the edge of speech, and whether a voice may be believed here.

No device and no connection may live here. Imported by mic_path. Doors: ``ear.Ear``, ``endpointer.Edge``,
``acoustics.Acoustics``.
"""
