"""Pictures and charts, drawn with NumPy and Pillow only."""
