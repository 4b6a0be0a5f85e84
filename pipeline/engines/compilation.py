"""`segline compile`: a recipe's pipeline in the words of one engine."""

from collections.abc import Callable, Mapping
from typing import Any

from datasets import plain_yaml
from pipeline.engines import airflow_dag, argo, kubeflow
from pipeline.engines.tasks import Pipeline


def compile_pipeline(pipeline: Pipeline, engine: str) -> str:
    """Return the text of the file that the engine reads: `airflow`, `argo` or `kfp`."""
    return WRITERS[engine](pipeline)


def _as_yaml(documents: Callable[[Pipeline], list[dict[str, Any]]]) -> Callable[[Pipeline], str]:
    def text(pipeline: Pipeline) -> str:
        body = "---\n".join(plain_yaml.dump(document, width=1000) for document in documents(pipeline))
        return f"# Recipe {pipeline.name}. Written by `segline compile`: compile again instead of editing it.\n{body}"

    return text


WRITERS: Mapping[str, Callable[[Pipeline], str]] = {
    "airflow": airflow_dag.text,
    "argo": _as_yaml(argo.documents),
    "kfp": _as_yaml(kubeflow.documents),
}
