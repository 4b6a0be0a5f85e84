"""Descriptions of the data: statistics, anomalies, drift, contact sheets, class weights, a first recipe."""
