"""Installation of Segline: `pip install -e .` gives the command `segline`."""

from pathlib import Path

from setuptools import find_packages, setup

REQUIRES = [
    "apache-beam>=2.65",
    "google-crc32c>=1.5",
    "importlib_resources>=6.0",  # tensorflow-datasets 4.9.10 imports it and does not ask for it
    "keras>=3.10",
    "numpy>=1.26",
    "pillow>=10.3",
    "pydantic>=2.11",
    "pyyaml>=6.0",
    "tensorboard>=2.19",
    "tensorflow>=2.19",
    "tensorflow-datasets>=4.9.9",
    "tensorflow-metadata>=1.17",
    "tqdm>=4.66",
]

setup(
    name="segline",
    version="0.1.0",
    description="One recipe, one command: from labelled images to a served segmentation model.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    install_requires=REQUIRES,
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.19; sys_platform == 'linux'"],
        "test": ["pytest>=8.0"],
        "lint": ["mypy>=1.11", "ruff>=0.6", "types-PyYAML", "types-tqdm"],
    },
    packages=find_packages(include=["datasets", "datasets.*", "models", "models.*", "pipeline", "pipeline.*"]),
    package_data={
        "datasets": ["*/README.md", "*/CITATIONS.bib", "*/TAGS.txt"],
        "pipeline": ["recipes/*.yaml"],
    },
    entry_points={"console_scripts": ["segline = pipeline.__main__:main"]},
)
