"""A launcher and an instrument as somebody would add them, to show that their own files are enough."""
