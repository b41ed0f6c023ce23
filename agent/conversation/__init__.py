"""The exchange with the service over as many connections as it takes: questions, answers, notes.

Nothing about the box (button, light, sensors) may live here. Imported by app, mic_path and status. Door:
``conversation.Conversation``.
"""
