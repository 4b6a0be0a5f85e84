"""The user's own folder, described by a YAML file."""
