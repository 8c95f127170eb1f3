"""What is watched beside the drift of columns: one small module per signal, all judged by a few shared tests.

A signal's module says what is measured. Whether it moved is told by `means` (a mean of a number per row), `shares`
(shares of names) or a test of its own, each at one false alarm in a thousand windows (`monitoring.psi.CHANCE`).
Entry point: `monitoring.signals.gather.gather_signals`.
"""
