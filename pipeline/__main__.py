"""Entry point of the command line: parse, call the command, map errors to exit codes. Its commands: pipeline/cli."""

import argparse
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pipeline.cli import headings, parser
from pipeline.console import json_lines, safe_stream
from pipeline.errors import UserError

GPU_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
"""Environment variable that makes TensorFlow allocate GPU memory as needed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see errors.py). A user error prints its message, no traceback."""
    if foreign := _foreign_packages():
        print("\n".join(foreign), file=sys.stderr)
        return UserError.exit_code
    given = sys.argv[1:] if arguments is None else arguments
    if given and (message := headings.unknown_command_message(given[0])):
        print(message, file=sys.stderr)
        return UserError.exit_code
    options = parser.build_parser().parse_args(given)
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
    from datasets.errors import ConversionError, DatasetError
    from models.errors import ModelError

    try:
        code: int = options.command(options) or 0
        return code
    except UserError as error:
        _report_error(error)
        return error.exit_code
    except (DatasetError, ModelError) as error:
        _report_error(error)
        return UserError.exit_code
    except ConversionError as error:
        _report_error(error)
        return 1
    except KeyboardInterrupt:
        print("segline: interrupted. The same command resumes from here.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if isinstance(error, OSError) and (code := _flush_output()):
            return code
        advised = _explain(error, getattr(options, "workspace", None))
        if not isinstance(advised, UserError):
            traceback.print_exception(error)  # here, where standard error shows no password
            return 1
        _report_error(advised)
        return advised.exit_code


def _explain(error: Exception, workspace: Path | None) -> BaseException:
    """Return a UserError where the machine or a damaged workspace is the reason for an error, else the error."""
    from pipeline.orchestration.error_advice import as_user_error

    advised = as_user_error(error, workspace or Path())
    if isinstance(advised, UserError) or workspace is None:
        return advised
    from pipeline.lineage import diagnosis
    from pipeline.workspace.layout import Workspace

    damage = diagnosis.damage(Workspace(workspace.absolute()))
    if not damage:
        return error
    place = traceback.extract_tb(error.__traceback__)[-1]  # the damage may not be the reason
    what = f"{type(error).__name__}: {error}".splitlines()[0] + f", at {place.filename}:{place.lineno}"
    return UserError("\n".join([f"The command failed ({what}), and this is damaged:", *(f"  {one}" for one in damage)]))


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


def _foreign_packages() -> list[str]:
    """Return a message for each package that hides Segline's own: a folder here, or a library of the same name."""
    problems = []
    for package in ("datasets", "models"):
        spec = find_spec(package)
        if spec is None or spec.origin != str(Path(__file__).parents[1] / package / "__init__.py"):
            problems.append(
                f"segline: another package called `{package}` hides Segline's own: {spec and spec.origin}. "
                "Work in another folder, or in an environment without it (Hugging Face ships a `datasets`)."
            )
    return problems


if __name__ == "__main__":
    sys.exit(main())
