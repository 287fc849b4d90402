"""Expectations with one part inverted at a time, judged on what a run observed."""
