"""Speed and size of streamkit, measured beside its peers: `python -m benchmarks`.

Absolute times mean little on a shared machine, so every figure that counts is a ratio between two
subjects measured in the same round, and the table shows the median of the rounds. Reading order:
`lines.py` (what is compared with what), `measure.py` (how one process measures itself),
`server.py` and `answers.py` (what is streamed to it).
"""
