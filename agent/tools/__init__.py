"""Function calls: what the model may ask the box to do.

Nothing about turns or the link may live here: a call comes in, a response goes out. Imported by conversation. Doors:
``calls.ToolCalls``, ``repeat``.
"""
