"""PURE: what waits to be sent, and how much the line can carry.

No socket and no clock may live here: numbers in, verdicts out. Imported by app, conversation, link and vision. Doors:
``ledger.Ledger``, ``utterance.Utterance``, ``outbox.Outbox``, ``bandwidth.Uplink``.
"""
