"""The process as the core holds it: memory, environment, start, last message, waits of its threads."""
