"""Mutation testing: which changes of a package its unit tests miss."""
