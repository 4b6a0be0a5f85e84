"""Commands that use exported models: predict, serve."""

import argparse
from pathlib import Path

from pipeline.cli.commands import Commands
from pipeline.errors import UserError

LARGEST_MB = 1_000_000
"""Limit of --max-mb. A request is held in memory."""

SAMPLES = 6
"""Images of the evaluated split that the page offers at most."""


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    parser = commands.add("predict", predict_files, "segment images and videos with an exported model", "dry_run")
    parser.add_argument("model", metavar="MODEL", type=Path, help="SavedModel, or a folder of versions under serving/")
    parser.add_argument("images", metavar="PATH", type=Path, nargs="+", help="images, videos, or folders of them")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--outputs",
        metavar="KIND",
        nargs="+",
        choices=("ids", "colour", "overlay", "contours"),
        default=["ids", "colour", "overlay"],
        help="ids, colour, overlay, contours (default: the first three)",
    )
    parser.add_argument("--alpha", metavar="A", type=float, default=0.5, help="opacity of the overlay (default: 0.5)")
    parser.add_argument(
        "--format",
        dest="submission",
        metavar="NAME",
        choices=("cityscapes", "kitti_road"),
        help="write a benchmark's submission instead: cityscapes (label ids), kitti_road (probabilities)",
    )
    parser.add_argument(
        "--calib", metavar="DIR", type=Path, help="for kitti_road: its calib folder; writes the bird's-eye view"
    )
    parser.add_argument(
        "--geometry",
        choices=("upright", "stored"),
        default="upright",
        help="results as the picture is seen, or as its file stores the pixels (EXIF orientation; default: upright)",
    )
    parser.add_argument(
        "--batch-size", metavar="N", type=int, default=8, help="images of one size a batch (default: 8)"
    )
    parser.add_argument("--max-pixels", metavar="N", type=int, help="largest image (default: the model's own limit)")

    parser = commands.add("serve", serve_model, "try a model: HTTP server with a page to drop images on")
    parser.add_argument("model", metavar="MODEL", type=Path, help="SavedModel, or a folder of versions under serving/")
    parser.add_argument(
        "--host",
        metavar="HOST",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1, reachable only from this machine)",
    )
    parser.add_argument("--port", metavar="PORT", type=int, default=8000, help="0: any free port (default: 8000)")
    parser.add_argument("--max-mb", metavar="MB", type=float, default=32.0, help="largest request (default: 32)")
    parser.add_argument("--max-pixels", metavar="N", type=int, help="largest image (default: the model's own limit)")


def predict_files(options: argparse.Namespace) -> None:
    """Segment images and videos with an exported model."""
    if options.calib is not None and options.submission != "kitti_road":
        raise UserError("--calib needs --format kitti_road.")
    _require_positive("--max-pixels", options.max_pixels)
    from pipeline.cli import output_paths
    from pipeline.serving import prediction

    output_paths.require_folder(options.out)
    prediction.predict(
        options.model,
        options.images,
        options.out,
        outputs=options.outputs,
        submission=options.submission,
        calib=options.calib,
        alpha=options.alpha,
        batch_size=options.batch_size,
        max_pixels=options.max_pixels,
        geometry=options.geometry,
        dry_run=options.dry_run,
    )


def serve_model(options: argparse.Namespace) -> None:
    """Serve a model over HTTP until Ctrl-C."""
    if not 0 < options.max_mb <= LARGEST_MB:
        raise UserError(f"--max-mb must be more than 0, and at most {LARGEST_MB:,}. Received: {options.max_mb:g}.")
    _require_positive("--max-pixels", options.max_pixels)
    from pipeline.export.model_folder import newest_version
    from pipeline.orchestration import served_origin
    from pipeline.serving import service
    from pipeline.serving.http_guard import LOCAL

    # Others who reach the server are not shown images of the data.
    samples = served_origin.example_images(newest_version(options.model)) if options.host in LOCAL else []
    service.serve(
        options.model,
        host=options.host,
        port=options.port,
        max_bytes=int(options.max_mb * 1e6),
        max_pixels=options.max_pixels,
        samples=samples[:SAMPLES],
    )


def _require_positive(name: str, value: float | None) -> None:
    if value is not None and not value > 0:
        raise UserError(f"{name} must be more than 0. Received: {value:g}.")
