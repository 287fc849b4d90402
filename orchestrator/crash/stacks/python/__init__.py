"""The backend `pystack`: the Python frames of each thread."""
