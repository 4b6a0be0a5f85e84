"""KITTI Road: specs, builder and sample data."""
