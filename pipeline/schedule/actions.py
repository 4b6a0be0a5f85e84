"""What `segline run-due`, `segline schedule` and `segline backfill` do."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from pipeline.config import recipe_file as recipes
from pipeline.errors import UserError
from pipeline.orchestration import run_command
from pipeline.orchestration.graph import STEPS
from pipeline.schedule import notification, slots, systemd
from pipeline.schedule.clock import Clock
from pipeline.schedule.ledger import Ledger
from pipeline.schedule.scheduled_run import Work, for_slot, schedule_of
from pipeline.schedule.tick import HELD, Outcome, Turn
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store


def run_due(options: argparse.Namespace) -> int:
    """`segline run-due`: run what is due. Gives 0, 75 where another process is at work, or how the run ended."""
    if options.dry_run:
        with _as_it_is(options.workspace) as workspace:
            print("\n".join(turn_of(options.recipe, options.set, workspace).foresee()))
        return 0
    return turn_of(options.recipe, options.set, run_command.open_workspace(options.workspace)).run_due()


def schedule(options: argparse.Namespace) -> int:
    """`segline schedule`: say when a recipe runs; with --watch run it, with --install-systemd have systemd do so."""
    if options.install_systemd:
        root = options.workspace.resolve()
        print("\n".join(install(options.recipe, options.set, root, user=options.user, dry_run=options.dry_run)))
        return 0
    if options.watch:
        return watch(options.recipe, options.set, run_command.open_workspace(options.workspace))
    with _as_it_is(options.workspace) as workspace:
        print("\n".join(lines(turn_of(options.recipe, options.set, workspace), options.limit)))
    return 0


def backfill(options: argparse.Namespace) -> int:
    """`segline backfill`: run the slots of a span of days that have come, oldest first."""
    now = Clock().now()
    schedule = schedule_of(for_slot(options.recipe, options.set, now))
    timezone = ZoneInfo(schedule.timezone)
    first, last = _moment(options.first, timezone, time.min), _moment(options.last, timezone, time.max)
    if first > last:
        raise UserError(f"--from must not be later than --to. Received: {options.first} and {options.last}.")
    if next(slots.after(schedule.cron, schedule.timezone, max(first - 1, now))) <= last:
        print(f"Slots after {slots.told(now, schedule.timezone)} have not come yet: `run-due` runs them.")
    wanted = slots.between(schedule.cron, schedule.timezone, first - 1, min(last, now))
    if len({for_slot(options.recipe, options.set, slot).data for slot in wanted[:2]}) == 1 < len(wanted):
        print("Every slot reads the same data: `schedule.set` puts no time into `data`.")
    print(f"{len(wanted)} slot{'s' * (len(wanted) != 1)}")
    if options.dry_run:
        for slot in wanted:
            print(slots.told(slot, schedule.timezone))
        return 0
    workspace = run_command.open_workspace(options.workspace)
    return turn_of(options.recipe, options.set, workspace, until=options.until).backfill(wanted)


def turn_of(
    recipe: str,
    overrides: Sequence[str],
    workspace: Workspace,
    *,
    until: str | None = None,
    clock: Clock | None = None,
) -> Turn:
    """Make ready one turn of a recipe's schedule.

    Raises:
        UserError: The recipe is not right, or has no schedule.
    """
    clock = clock or Clock()
    loaded = for_slot(recipe, overrides, clock.now())  # a pattern in `schedule.set` that gives no recipe is told now
    assert loaded.schedule is not None
    store, to = Store(workspace.store), loaded.schedule.on_failure
    told = loaded.schedule.timezone

    def tell(slot: float, outcome: Outcome) -> str | None:
        steps = store.executions(outcome.run) if outcome.run else []
        return notification.tell(to, notification.summarise(loaded.name, slots.told(slot, told), vars(outcome), steps))

    until = None if until == STEPS[-1].name else until
    work = Work(workspace, recipe, overrides, until)
    return Turn(loaded.name, loaded.schedule, workspace, Ledger(store, loaded.name), work, tell, clock, until)


def watch(recipe: str, overrides: Sequence[str], workspace: Workspace, clock: Clock | None = None) -> int:
    """Run what is due, for ever. The recipe is read anew each time; while it is not right, that is said and waited for.

    Ctrl-C and SIGTERM end it.
    """
    clock, said = clock or Clock(), ""
    while True:
        try:
            looked = clock.now()  # a slot that comes while we look is the next one, and not passed over
            turn = turn_of(recipe, overrides, workspace, clock=clock)
            code = turn.run_due()
            moment, said = clock.now() + 60.0 if code == HELD else turn.next_slot(looked), ""
        except UserError as error:
            if str(error) != said:
                print(f"segline: {error}", flush=True)
            moment, said = clock.now() + 60.0, str(error)
        clock.wait_until(min(moment, clock.now() + 3600.0))


def lines(turn: Turn, limit: int) -> list[str]:
    """Say when a recipe runs next, and what became of the newest attempts."""
    cron, timezone = turn.schedule.cron, turn.schedule.timezone
    coming = slots.after(cron, timezone, turn.clock.now())
    said = [f"{turn.name}: {cron} {timezone}, catch_up {turn.schedule.catch_up}"]
    said += [f"next      {slots.told(next(coming), timezone)}" for _ in range(3)]
    at_work = lock.is_held(turn.workspace.lock("schedule", turn.name))
    for row in turn.ledger.last(limit):
        state = "killed" if row["state"] == "running" and not at_work else row["state"]  # the next turn records it
        reason = row["reason"].splitlines()[0] if row["reason"] else ""
        line = f"{state:<13} {slots.told(row['slot'], timezone)}  {row['run'] or ''}  {reason}"
        said.append(line.rstrip() if len(line) <= 80 else line[:77] + "...")
    return said


def install(recipe: str, overrides: Sequence[str], workspace: Path, *, user: bool, dry_run: bool) -> list[str]:
    """Write the units of a recipe's schedule, or give their text. `workspace` is the absolute path of its folder."""
    if not user:
        raise UserError(
            "--install-systemd writes units of your own user: add --user. For a system-wide service write the text of "
            "--install-systemd --user --dry-run to /etc/systemd/system, with a line `User=` in the service."
        )
    name = for_slot(recipe, overrides, Clock().now()).name
    place = recipe if recipe in recipes.names() else Path(recipe).resolve()
    units = systemd.Units(name, systemd.run_due_command(place, overrides, workspace), Path.cwd())
    if dry_run:
        return [f"# {path}\n{text}" for path, text in units.files(systemd.user_folder()).items()]
    turn = turn_of(recipe, overrides, run_command.open_workspace(workspace))
    turn.ledger.open(turn.schedule, turn.clock.now())  # slots count from now on
    return units.install(systemd.user_folder())


@contextmanager
def _as_it_is(folder: Path) -> Iterator[Workspace]:
    """A workspace that is only looked at: where nothing has run yet, an empty one for the moment."""
    workspace = Workspace(folder.resolve())
    if workspace.store.is_file():
        yield workspace
        return
    with TemporaryDirectory() as scratch:
        yield Workspace(Path(scratch))


def _moment(text: str, timezone: ZoneInfo, of_day: time) -> float:
    """Read 2026-07-05, which means `of_day` of it, or 2026-07-05T02:30; in `timezone` unless it states its own."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        allowed = "2026-07-05 or 2026-07-05T02:30"
        raise UserError(f"--from and --to must be dates such as {allowed}. Received: {text!r}.") from None
    if len(text) == len("2026-07-05"):
        found = datetime.combine(found, of_day)
    return (found if found.tzinfo else found.replace(tzinfo=timezone)).timestamp()
