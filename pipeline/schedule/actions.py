"""The commands `segline run-due`, `segline schedule` and `segline backfill`."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from pipeline.config import recipe_file
from pipeline.errors import UserError
from pipeline.orchestration import run_command
from pipeline.orchestration.graph import STEPS
from pipeline.schedule import notification, slots, systemd
from pipeline.schedule.clock import Clock
from pipeline.schedule.ledger import Ledger
from pipeline.schedule.scheduled_run import ScheduledRun, recipe_for_slot, schedule_of
from pipeline.schedule.tick import HELD, Outcome, Tick
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store


def run_due(options: argparse.Namespace) -> int:
    """Run what is due. Return 0, 75 if another process holds the schedule, or the exit code of the run."""
    if options.dry_run:
        with _read_only(options.workspace) as workspace:
            print("\n".join(make_tick(options.recipe, options.set, workspace).preview()))
        return 0
    return make_tick(options.recipe, options.set, run_command.open_workspace(options.workspace)).run_due()


def schedule(options: argparse.Namespace) -> int:
    """Print when a recipe runs; with --watch run it then, with --install-systemd have systemd run it."""
    if options.install_systemd:
        root = options.workspace.resolve()
        print("\n".join(install(options.recipe, options.set, root, user=options.user, dry_run=options.dry_run)))
        return 0
    if options.watch:
        return watch(options.recipe, options.set, run_command.open_workspace(options.workspace))
    with _read_only(options.workspace) as workspace:
        print("\n".join(lines(make_tick(options.recipe, options.set, workspace), options.limit)))
    return 0


def backfill(options: argparse.Namespace) -> int:
    """Run the slots of a span of days, oldest first; slots in the future are left out."""
    now = Clock().now()
    schedule = schedule_of(recipe_for_slot(options.recipe, options.set, now))
    timezone = ZoneInfo(schedule.timezone)
    first, last = _moment(options.first, timezone, time.min), _moment(options.last, timezone, time.max)
    if first > last:
        raise UserError(f"--from must not be later than --to. Received: {options.first} and {options.last}.")
    if next(slots.after(schedule.cron, schedule.timezone, max(first - 1, now))) <= last:
        print(f"Slots after {slots.describe(now, schedule.timezone)} have not come yet: `run-due` runs them.")
    wanted = slots.between(schedule.cron, schedule.timezone, first - 1, min(last, now))
    if len({recipe_for_slot(options.recipe, options.set, slot).data for slot in wanted[:2]}) == 1 < len(wanted):
        print("Every slot reads the same data: `schedule.set` puts no time into `data`.")
    print(f"{len(wanted)} slot{'s' * (len(wanted) != 1)}")
    if options.dry_run:
        for slot in wanted:
            print(slots.describe(slot, schedule.timezone))
        return 0
    workspace = run_command.open_workspace(options.workspace)
    return make_tick(options.recipe, options.set, workspace, until=options.until).backfill(wanted)


def make_tick(
    recipe: str,
    overrides: Sequence[str],
    workspace: Workspace,
    *,
    until: str | None = None,
    clock: Clock | None = None,
) -> Tick:
    """Build a tick of a recipe's schedule that runs all steps, or those up to `until`.

    Raises:
        UserError: The recipe is invalid, or has no schedule.
    """
    clock = clock or Clock()
    loaded = recipe_for_slot(recipe, overrides, clock.now())  # so that a bad pattern in `schedule.set` fails now
    config = schedule_of(loaded)
    store = Store(workspace.store)

    def notify(slot: float, outcome: Outcome) -> str | None:
        steps = store.executions(outcome.run) if outcome.run else []
        time = slots.describe(slot, config.timezone)
        return notification.send(config.on_failure, notification.summarise(loaded.name, time, vars(outcome), steps))

    until = None if until == STEPS[-1].name else until
    run_slot = ScheduledRun(workspace, recipe, overrides, until)
    return Tick(loaded.name, config, workspace, Ledger(store, loaded.name), run_slot, notify, clock, until)


def watch(recipe: str, overrides: Sequence[str], workspace: Workspace, clock: Clock | None = None) -> int:
    """Run what is due until Ctrl-C or SIGTERM. The recipe is read again each time; an invalid one is reported once."""
    clock, printed = clock or Clock(), ""
    while True:
        try:
            started = clock.now()  # before the work, so that a slot that comes meanwhile is the next one, not missed
            tick = make_tick(recipe, overrides, workspace, clock=clock)
            code = tick.run_due()
            moment, printed = clock.now() + 60.0 if code == HELD else tick.next_slot(started), ""
        except UserError as error:
            if str(error) != printed:
                print(f"segline: {error}", flush=True)
            moment, printed = clock.now() + 60.0, str(error)
        clock.wait_until(min(moment, clock.now() + 3600.0))


def lines(tick: Tick, limit: int) -> list[str]:
    """Describe the next slots of a schedule and its newest `limit` attempts."""
    cron, timezone = tick.schedule.cron, tick.schedule.timezone
    upcoming = slots.after(cron, timezone, tick.clock.now())
    described = [f"{tick.name}: {cron} {timezone}, catch_up {tick.schedule.catch_up}"]
    described += [f"next      {slots.describe(next(upcoming), timezone)}" for _ in range(3)]
    is_held = lock.is_held(tick.workspace.lock("schedule", tick.name))
    for row in tick.ledger.newest(limit):
        state = "killed" if row["state"] == "running" and not is_held else row["state"]  # the next tick records it
        reason = row["reason"].splitlines()[0] if row["reason"] else ""
        line = f"{state:<13} {slots.describe(row['slot'], timezone)}  {row['run'] or ''}  {reason}"
        described.append(line.rstrip() if len(line) <= 80 else line[:77] + "...")
    return described


def install(recipe: str, overrides: Sequence[str], workspace: Path, *, user: bool, dry_run: bool) -> list[str]:
    """Write the systemd units of a recipe's schedule and return the lines to print; with `dry_run` their text.

    `workspace` is an absolute path, as the service runs in a folder of its own. `user` must be true: an administrator
    chooses the user of a system-wide service.
    """
    if not user:
        raise UserError(
            "--install-systemd writes units of your own user: add --user. For a system-wide service write the text of "
            "--install-systemd --user --dry-run to /etc/systemd/system, with a line `User=` in the service."
        )
    name = recipe_for_slot(recipe, overrides, Clock().now()).name
    path = recipe if recipe in recipe_file.names() else Path(recipe).resolve()
    units = systemd.Units(name, systemd.run_due_command(path, overrides, workspace), Path.cwd())
    if dry_run:
        return [f"# {path}\n{text}" for path, text in units.files(systemd.user_folder()).items()]
    tick = make_tick(recipe, overrides, run_command.open_workspace(workspace))
    tick.ledger.open(tick.schedule, tick.clock.now())  # slots count from now on
    return units.install(systemd.user_folder())


@contextmanager
def _read_only(folder: Path) -> Iterator[Workspace]:
    """The workspace, for reading; a temporary empty one if it has no store yet, so that none is created."""
    workspace = Workspace(folder.resolve())
    if workspace.store.is_file():
        yield workspace
        return
    with TemporaryDirectory() as scratch:
        yield Workspace(Path(scratch))


def _moment(text: str, timezone: ZoneInfo, of_day: time) -> float:
    """Parse 2026-07-05 (at `of_day`) or 2026-07-05T02:30, in `timezone` unless the text names its own offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        allowed = "2026-07-05 or 2026-07-05T02:30"
        raise UserError(f"--from and --to must be dates such as {allowed}. Received: {text!r}.") from None
    if len(text) == len("2026-07-05"):
        moment = datetime.combine(moment, of_day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone)).timestamp()
