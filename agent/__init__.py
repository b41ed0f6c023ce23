"""The core of field-agent: turn logic, wire protocol, link and wiring. It imports no device library."""
