"""Many runs side by side, or one model looked into."""
