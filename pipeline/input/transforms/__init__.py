"""Transforms of a training example, one kind per module; pipeline.input.augmentation composes them."""
