"""KITTI Road: facts, builder and sample data."""
