"""The training loop with its steps, validations, checkpoints and logs."""
