"""What was made from what: queries and maintenance on the results of a workspace."""
