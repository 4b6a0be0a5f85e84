"""Recipes as pipelines of other engines: `segline compile` writes them for Kubeflow, Argo and Airflow."""
