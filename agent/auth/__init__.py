"""Where the API key comes from.

The only room that reads a key; no key may reach a log or a message. Imported by cli and commands. Doors: ``api_key``,
``environment``.
"""
