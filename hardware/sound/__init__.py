"""Sound cards: streams, their supervisor, echo and noise, playback.

The only room that knows PortAudio, numpy apart from tuning, and the echo canceller. Imported by ``open_devices``,
``simulated`` (playback and pcm), ``tuning`` and ``inventory``. Doors: ``card_sound.CardSound``,
``microphone.CardMicrophone``, ``speaker.CardSpeaker``, ``playback.PlaybackBuffer``, ``cards``, ``alsa``, ``pcm``.
"""
