"""What the data is: one folder a dataset, one builder base, one record format."""
