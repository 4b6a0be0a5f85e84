"""report.html and report.md of a run: metrics, failures, training and lineage of its model; the gallery of images.

Made from finished artifacts; they are part of no step's fingerprint.
"""
