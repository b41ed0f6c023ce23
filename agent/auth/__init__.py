"""Getting in: where the key comes from.

The only room that ever holds a key; none may reach a log or a message. Imported by commands. Door: ``api_key``.
"""
