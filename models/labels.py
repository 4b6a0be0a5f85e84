"""The label value of pixels that are ignored."""

IGNORE = 255
"""Label of a pixel that no loss and no metric counts; the same number as datasets.spec.IGNORE."""
