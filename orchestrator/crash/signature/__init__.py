"""The stable key of a crash."""
