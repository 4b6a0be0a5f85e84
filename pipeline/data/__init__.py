"""What the data is like: statistics, anomalies, drift, contact sheets, a recipe to begin with."""
