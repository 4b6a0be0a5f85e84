"""Several devices, processes and hosts: the workers of a job, how they agree, and what happens when one is lost."""
