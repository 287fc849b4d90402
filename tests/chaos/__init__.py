"""What a run must survive: kills, engine restarts, simultaneous crashes, hostile programs, full disks."""
