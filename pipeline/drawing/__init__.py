"""Pictures and plots, with NumPy and Pillow alone."""
