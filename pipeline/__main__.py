"""Entry point of the command line: parse, call the command, map errors to exit codes. Its commands: pipeline/cli."""

import argparse
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from pipeline.cli import hints, parser
from pipeline.console import json_lines, safe_stream
from pipeline.errors import UserError
from pipeline.host import foreign_packages

GPU_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
"""Environment variable that makes TensorFlow allocate GPU memory as needed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see errors.py). A user error prints its message, no traceback."""
    if foreign := foreign_packages.messages():
        print("\n".join(f"segline: {message}" for message in foreign), file=sys.stderr)
        return UserError.exit_code
    given = sys.argv[1:] if arguments is None else arguments
    built = parser.build_parser()
    if message := hints.hint(built, given):
        print(f"segline: {message}", file=sys.stderr)
        return UserError.exit_code
    options = built.parse_args(given)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an old terminal knows few characters; stderr does it itself
    # Otherwise TensorFlow allocates nearly all memory of every GPU, and a served model leaves none for the nightly run.
    # It reads the variable at the first use of a GPU, here or in a step's process; a value set by the user stays.
    os.environ.setdefault(GPU_GROWTH, "true")
    # SIGTERM, which `kill`, systemd and Kubernetes send, ends a command the way Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with safe_stream.installed(), json_lines.if_requested(options):
        code = _call(options)
        return _flush_output() or code


def _call(options: argparse.Namespace) -> int:
    try:
        code: int = options.command(options) or 0
        return code
    except KeyboardInterrupt:
        print("segline: interrupted. The same command resumes from here.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if isinstance(error, OSError) and (code := _flush_output()):
            return code
        from pipeline.lineage import failure

        foreseen = failure.explain(error, getattr(options, "workspace", None))
        if foreseen is None:
            traceback.print_exception(error)  # here, where standard error shows no password
            return 1
        _report_error(foreseen)
        return foreseen.exit_code


def _flush_output() -> int:
    """Write what is left of the output; return the exit code if that fails. From then on output is dropped.

    A reader that has closed it, as in `segline status | head`, is no failure.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again at exit
        if not isinstance(error, BrokenPipeError):
            print(f"segline: the output cannot be written: {error.strerror}.", file=sys.stderr)
            return UserError.exit_code
    return 0


def _report_error(error: Exception) -> None:
    from pipeline.console.terminal import wrapped

    print(wrapped(f"segline: {error}"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
