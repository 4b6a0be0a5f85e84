"""The recipe's section `schedule:`."""

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from pipeline.config.section import Section

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class FailureConfig(Section):
    """Who is notified of a failed scheduled run: both get its summary as JSON; secrets stay in the environment."""

    command: tuple[str, ...] | None = Field(default=None, description="program and arguments; the summary is its input")
    webhook_env: EnvironmentName | None = Field(default=None, description="variable with the URL to post to")
    token_env: EnvironmentName | None = Field(default=None, description="variable with a bearer token for the webhook")

    @model_validator(mode="after")
    def _is_whole(self) -> "FailureConfig":
        if self.command is not None and not self.command:
            raise ValueError("`command` must name a program, as in [mail, -s, segline, me@example.org].")
        if self.token_env and not self.webhook_env:
            raise ValueError("`token_env` goes with `webhook_env`, which is not set.")
        return self


class ScheduleConfig(Section):
    """When the recipe runs by itself: see `segline run-due`. No step sees this section."""

    cron: str = Field(description="minute, hour, day of month, month, day of week")
    timezone: str = Field(default="UTC", description="whose clock `cron` means, such as Europe/Berlin")
    catch_up: Literal["latest", "all", "none"] = Field(
        default="latest", description="slots that passed while nothing could run: the newest, every one, or none"
    )
    grace_seconds: Annotated[float, Field(gt=0)] = Field(default=600.0, description="this late is still on time")
    skip_if_unchanged: bool = Field(default=True, description="no run where every result could be reused")
    retries: Annotated[int, Field(ge=0)] = Field(default=2, description="further attempts after an error that can pass")
    retry_seconds: Annotated[float, Field(gt=0)] = Field(
        default=300.0, description="wait before the first of them; doubled each time"
    )
    set: dict[str, str] = Field(
        default_factory=dict, description="settings of each slot; %Y, %m, %d ... (strftime) stand for its time"
    )
    on_failure: FailureConfig = FailureConfig()

    @model_validator(mode="after")
    def _names_moments(self) -> "ScheduleConfig":
        if problem := schedule_problem(self.cron, self.timezone):
            raise ValueError(problem)
        return self


def schedule_problem(cron: str, timezone: str) -> str | None:
    """Return what is wrong with a cron expression or a time zone, or None.

    >>> schedule_problem("30 2 * * *", "Europe/Berlin")
    >>> schedule_problem("30 2 * *", "UTC")[:29]
    '`cron` must hold five fields:'
    """
    from cronsim import CronSim, CronSimError  # most recipes have no schedule

    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        return f"`timezone` must be a name of the IANA data base, such as Europe/Berlin or UTC. Received: {timezone!r}."
    fields = "`cron` must hold five fields: minute, hour, day of month, month, day of week, such as '30 2 * * *'"
    if len(cron.split()) != 5:
        return f"{fields}. Received: {cron!r}."
    try:
        next(CronSim(cron, datetime.now(zone)))
    except CronSimError as error:
        return f"{fields}. Received: {cron!r} ({error})."
    except StopIteration:
        return f"`cron` names no day within 50 years. Received: {cron!r}."
    return None
