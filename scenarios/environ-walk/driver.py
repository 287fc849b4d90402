"""Not run: the probe is a program of its own, without Python."""
