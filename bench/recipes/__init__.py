"""Bugs of published packages, each crashed several times, and how well their signatures tell them apart."""
