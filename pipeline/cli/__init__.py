"""The command line, where it is too long for __main__.py: one file a group of commands, argparse alone."""
