"""Cityscapes for semantic segmentation: facts, builder and sample data."""
