"""Object storage for raw files, results of steps and served models."""
