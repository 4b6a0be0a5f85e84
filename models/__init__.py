"""Networks, losses and metrics. One file for each model."""
