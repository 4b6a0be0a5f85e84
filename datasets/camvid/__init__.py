"""CamVid: facts, builder and sample data."""
