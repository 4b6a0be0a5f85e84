"""The command line: parser.py builds the parser; each *_command(s).py adds a group of commands and runs them.

A command imports what it needs inside its own function, so that `--help` and `status` start fast.
"""
