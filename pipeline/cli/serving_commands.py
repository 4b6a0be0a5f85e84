"""`segline serve` and `segline predict`: the command lines of pipeline.serve and pipeline.prediction."""

import argparse
from pathlib import Path

from pipeline.errors import UserError

LARGEST_MB = 1_000_000
"""Of --max-mb. A request is held in memory."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the parser."""
    add = commands.add_parser("predict", help="segment images and videos with an exported model")
    add.add_argument("model", metavar="MODEL", type=Path, help="SavedModel, or a folder of versions under serving/")
    add.add_argument("images", metavar="PATH", type=Path, nargs="+", help="images, videos, or folders of them")
    add.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results")
    add.add_argument(
        "--outputs",
        metavar="KIND",
        nargs="+",
        choices=("ids", "colour", "overlay", "contours"),
        default=["ids", "colour", "overlay"],
        help="ids, colour, overlay, contours (default: the first three)",
    )
    add.add_argument("--alpha", metavar="A", type=float, default=0.5, help="strength of the overlay (default: 0.5)")
    add.add_argument(
        "--format",
        dest="submission",
        metavar="NAME",
        choices=("cityscapes", "kitti_road"),
        help="write a benchmark's submission instead: cityscapes (label ids), kitti_road (probabilities)",
    )
    add.add_argument(
        "--calib", metavar="DIR", type=Path, help="of kitti_road: its calib folder; writes the bird's-eye view"
    )
    add.add_argument("--batch-size", metavar="N", type=int, default=8, help="images at once, of one size (default: 8)")
    add.add_argument("--max-pixels", metavar="N", type=int, help="largest image (default: the model's own limit)")
    add.add_argument("--dry-run", action="store_true", help="say how many files wait, write nothing")
    add.set_defaults(command=predict)

    add = commands.add_parser("serve", help="try a model: a small HTTP server with a page to drop images on")
    add.add_argument("model", metavar="MODEL", type=Path, help="SavedModel, or a folder of versions under serving/")
    add.add_argument(
        "--host",
        metavar="HOST",
        default="127.0.0.1",
        help="address to listen at (default: 127.0.0.1, which this machine alone can reach)",
    )
    add.add_argument("--port", metavar="PORT", type=int, default=8000, help="0: any that is free (default: 8000)")
    add.add_argument("--max-mb", metavar="MB", type=float, default=32.0, help="longest request (default: 32)")
    add.add_argument("--max-pixels", metavar="N", type=int, help="largest image (default: the model's own limit)")
    add.set_defaults(command=serve)


def predict(options: argparse.Namespace) -> None:
    """Segment images with an exported model."""
    if options.calib is not None and options.submission != "kitti_road":
        raise UserError("--calib goes with --format kitti_road alone.")
    _require_positive("--max-pixels", options.max_pixels)
    from pipeline.cli import output_paths
    from pipeline.console.quiet import quiet

    output_paths.require_folder(options.out)
    with quiet():
        from pipeline.serving.prediction import predict as run_predict
    run_predict(
        options.model,
        options.images,
        options.out,
        outputs=options.outputs,
        submission=options.submission,
        calib=options.calib,
        alpha=options.alpha,
        batch_size=options.batch_size,
        max_pixels=options.max_pixels,
        dry_run=options.dry_run,
    )


def serve(options: argparse.Namespace) -> None:
    """Serve a model over HTTP until Ctrl-C."""
    if not 0 < options.max_mb <= LARGEST_MB:
        raise UserError(f"--max-mb must be more than 0, and at most {LARGEST_MB:,}. Received: {options.max_mb:g}.")
    _require_positive("--max-pixels", options.max_pixels)
    from pipeline.console.quiet import quiet

    with quiet():
        from pipeline.serving import service as serving
    serving.serve(
        options.model,
        host=options.host,
        port=options.port,
        max_bytes=int(options.max_mb * 1e6),
        max_pixels=options.max_pixels,
    )


def _require_positive(name: str, value: float | None) -> None:
    if value is not None and not value > 0:
        raise UserError(f"{name} must be more than 0. Received: {value:g}.")
