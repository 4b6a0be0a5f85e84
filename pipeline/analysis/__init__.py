"""Compare many runs, or inspect one model."""
