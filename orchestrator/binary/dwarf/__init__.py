"""Debug information: functions, lines and call frames of addresses."""
