"""What runs in a cluster: the container of a task, and the volumes that it mounts.

The names are those of docker/kubernetes/base, which makes them; a test compares the two.
"""

from typing import Any

from pipeline.engines.tasks import Resources

COMMAND = ["/opt/venv/bin/python", "-P", "-m", "pipeline"]
"""Entry point of the image (docker/Dockerfile): Argo and Kubeflow start containers by a program of theirs."""

ENVIRONMENT = {"SEGLINE_LOG_JSON": "1", "SEGLINE_WORKSPACE": "/work"}

LABELS = {"app.kubernetes.io/name": "segline"}
"""By which the network policy knows the pods."""

GRACE_SECONDS = 300
"""Time for a training to write its checkpoint."""

Json = dict[str, Any]

SECRETS: list[Json] = [{"secretRef": {"name": "segline-secrets", "optional": True}}]
"""Credentials of the storage, and the address of notices, as environment variables."""

VOLUMES: list[Json] = [
    {"name": "data", "persistentVolumeClaim": {"claimName": "segline-data", "readOnly": True}},
    {"name": "work", "persistentVolumeClaim": {"claimName": "segline-work"}},
    {"name": "recipes", "configMap": {"name": "segline-recipes", "optional": True}},
    {"name": "tmp", "emptyDir": {}},
    # NCCL's memory between GPUs; a container's own /dev/shm has 64 MB. It counts toward the limit of memory.
    {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}},
]

MOUNTS: list[Json] = [
    {"name": "data", "mountPath": "/data", "readOnly": True},
    {"name": "work", "mountPath": "/work"},
    {"name": "recipes", "mountPath": "/recipes", "readOnly": True},
    {"name": "tmp", "mountPath": "/tmp"},
    {"name": "shm", "mountPath": "/dev/shm"},
]

POD_SECURITY: Json = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}

CONTAINER_SECURITY: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}

ACCELERATOR = "nvidia.com/gpu"

TOLERATIONS: list[Json] = [{"key": ACCELERATOR, "operator": "Exists", "effect": "NoSchedule"}]
"""Of a task with GPUs: nodes with GPUs commonly keep others away by this taint."""


def container(image: str) -> Json:
    """Return what the containers of all tasks have in common, as Kubernetes writes it."""
    return {
        "image": image,
        "command": COMMAND,
        "env": [{"name": name, "value": value} for name, value in ENVIRONMENT.items()],
        "envFrom": SECRETS,
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": MOUNTS,
    }


def limits(resources: Resources) -> Json:
    """Return a container's `resources`: memory is a request and a limit, the cores are a request only."""
    gpus = {ACCELERATOR: str(resources.gpus)} if resources.gpus else {}
    requests = {"cpu": str(resources.cpu), "memory": resources.memory}
    return {"requests": requests, "limits": {"memory": resources.memory, **gpus}}


def label(name: str) -> str:
    """Return a name in the form that Kubernetes allows for its objects.

    >>> label("CamVid_fast.v2")
    'camvid-fast-v2'
    """
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower()).strip("-")
