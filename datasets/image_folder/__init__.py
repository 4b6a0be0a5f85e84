"""A folder of the user's own, described by a YAML file."""
