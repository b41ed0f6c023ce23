"""Sound cards: streams, their supervisor, echo and noise, playback.

The only room that knows PortAudio, numpy apart from tuning, and the echo canceller. Imported by ``open_devices``,
inventory, simulated and tuning. Doors: ``card_sound.CardSound``, ``dsp_thread.DspThread``,
``microphone.CardMicrophone``, ``speaker.CardSpeaker``, ``buffered_speaker.BufferedSpeaker``,
``playback.PlaybackBuffer``, ``cards``, ``alsa``, ``pcm``; for tuning also ``echo``, ``front_end``, ``resample``,
``streams`` and ``supervisor``.
"""
