"""The data: one folder per dataset, one builder base class, one record format."""
