"""Expectations turned round, one part after the other, and judged on what a run saw."""
