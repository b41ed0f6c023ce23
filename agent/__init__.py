"""field-agent."""
