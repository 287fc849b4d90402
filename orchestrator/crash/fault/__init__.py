"""The original fault: its signal, its place, and what its address means."""
