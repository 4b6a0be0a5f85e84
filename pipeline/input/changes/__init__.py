"""What may be done to a training example, one kind a module; pipeline.augment puts them together."""
