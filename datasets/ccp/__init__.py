"""Clothing Co-Parsing: facts, builder and sample data."""
