"""Deltas in, chunks out; chunks in, a response out. No I/O, no clock, no chance."""
