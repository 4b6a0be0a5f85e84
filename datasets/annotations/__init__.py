"""Labels drawn from the files of labelling tools: a module for each tool, listed in `tools.py`."""
