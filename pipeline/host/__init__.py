"""What the machine is fit for."""
