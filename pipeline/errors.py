"""Exceptions that end a command with one clear message, and the exit codes they map to.

0    done
1    a fault of Segline itself or of the machine: with a traceback, or where it was foreseen (a storage out of reach, a
     lost worker, a failed conversion, what `doctor` finds, a sweep's failed member) with one message
2    something the user can put right: recipe, files, disk space, a held lock
3    the gate did not pass: nothing was promoted
4    the training paused where `train.pause_epochs` says: the same run continues from there
75   another process is at work on this schedule: try again later (EX_TEMPFAIL of sysexits.h)
130  interrupted: stopped at a safe point, the same command resumes from there
"""


class UserError(Exception):
    """Something the user can put right. The text says what is wrong, what was received, and what to do."""

    exit_code = 2


class Unreachable(UserError):
    """A network or a storage failed. Nothing has to be put right in the recipe, and a later attempt may go well."""

    exit_code = 1


class GateError(UserError):
    """The evaluated model did not pass the gate, so that it is not exported."""

    exit_code = 3


class WorkerLost(UserError):
    """Another worker of the job has gone or did not answer in time: none can go on without it."""

    exit_code = 1


class Interrupted(UserError):
    """Ctrl-C or SIGTERM arrived and the work was stopped at a safe point. The text says how to go on."""

    exit_code = 130


class Paused(Interrupted):
    """The training paused where the recipe says, at a checkpoint."""

    exit_code = 4
