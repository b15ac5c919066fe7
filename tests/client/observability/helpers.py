"""A hook that remembers, and the line of what it was told."""

from __future__ import annotations

from attrs import Factory, define

from nexhealth_async import Attempt, Hook, Outcome

__all__ = ["Notes"]


@define(eq=False)
class Notes(Hook):
    """Keeps everything it is told, in order."""

    name: str = ""
    began: list[Attempt] = Factory(list[Attempt])
    ended: list[Outcome] = Factory(list[Outcome])
    line: list[str] = Factory(list[str])
    """May be shared by several, to see their order."""

    def before(self, attempt: Attempt, /) -> None:
        self.began.append(attempt)
        self.line.append(f"{self.name} before")

    def after(self, outcome: Outcome, /) -> None:
        self.ended.append(outcome)
        self.line.append(f"{self.name} after")

    @property
    def calls(self) -> list[Outcome]:
        """What came of all attempts but logins."""
        return [one for one in self.ended if not one.attempt.is_login]

    @property
    def only(self) -> Outcome:
        (outcome,) = self.calls
        return outcome
