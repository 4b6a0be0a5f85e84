"""What may be done to a training example, one kind a module; pipeline.input.augmentation puts them together."""
