"""What may lie on another machine: raw files, results of steps, served models."""
