"""The training loop and all that it keeps: steps, validations, checkpoints, what it tells."""
