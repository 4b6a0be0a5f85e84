"""report.html and report.md: what a run's model can do, where it fails, and where it came from.

Made from the run's finished artifacts, so that nothing of it is part of any step's fingerprint.
"""
