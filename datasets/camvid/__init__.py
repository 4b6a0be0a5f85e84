"""CamVid: specs, builder and sample data."""
