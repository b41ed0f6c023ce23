"""Sound cards: streams, their supervisor, echo and noise, playback.

The only room that knows PortAudio, numpy apart from tuning, and the echo canceller. Imported by ``open_devices``,
``simulated`` (buffered_speaker, playback and pcm), ``tuning`` and ``inventory``. Doors: ``card_sound.CardSound``,
``dsp_thread.DspThread``, ``microphone.CardMicrophone``, ``speaker.CardSpeaker``, ``buffered_speaker.BufferedSpeaker``,
``playback.PlaybackBuffer``, ``cards``, ``alsa``, ``pcm``.
"""
