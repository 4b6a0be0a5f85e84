"""Several devices, several processes, several hosts: who takes part, and what happens when one does not."""
