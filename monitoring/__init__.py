"""Monitoring: compares windows of recent event time with the reference and decides what to do.

Nouns: `Window` (between two event times), `Profile` (what is remembered of its rows), `Reference` (what a window is
compared with), `DriftReport` (what moved, per task and window), `Decision` (keep, watch, retrain or rollback, with its
reasons). Entry point: `monitoring.run.run_monitoring`.
"""
