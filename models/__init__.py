"""What is computed: networks, losses, metrics. One file a model."""
