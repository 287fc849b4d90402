"""Not run: the probe is a program of its own, which embeds Python."""
