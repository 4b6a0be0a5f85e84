"""What was made from what, and everything that can be asked of it later."""
