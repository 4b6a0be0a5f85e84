"""report.html and report.md of a run: metrics, failures, training and lineage of its model.

Made from the run's finished artifacts; it is part of no step's fingerprint.
"""
