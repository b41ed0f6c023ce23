"""One module per sub-command of ``field-agent``; each is imported only when it is asked for."""
