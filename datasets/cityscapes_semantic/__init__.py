"""Cityscapes for semantic segmentation: specs, builder and sample data."""
