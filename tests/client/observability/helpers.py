"""A hook that records its calls, and the order of several hooks."""

from __future__ import annotations

from attrs import Factory, define

from nexhealth_async import Attempt, AttemptOutcome, Hook

__all__ = ["HookNotes"]


@define(eq=False)
class HookNotes(Hook):
    """Records everything it receives, in order."""

    name: str = ""
    began: list[Attempt] = Factory(list[Attempt])
    ended: list[AttemptOutcome] = Factory(list[AttemptOutcome])
    line: list[str] = Factory(list[str])
    """May be shared by several hooks to record their order."""

    def before(self, attempt: Attempt, /) -> None:
        self.began.append(attempt)
        self.line.append(f"{self.name} before")

    def after(self, outcome: AttemptOutcome, /) -> None:
        self.ended.append(outcome)
        self.line.append(f"{self.name} after")

    @property
    def calls(self) -> list[AttemptOutcome]:
        """Outcomes of all attempts but logins."""
        return [one for one in self.ended if not one.attempt.is_login]

    @property
    def only(self) -> AttemptOutcome:
        (outcome,) = self.calls
        return outcome
