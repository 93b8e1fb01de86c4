"""What can go wrong when a model is published, each kind with the exit code that the command ends with."""


class PublishError(Exception):
    """Something is wrong with the folder or the request; nothing was sent."""

    exit_code = 2


class VerifyError(PublishError):
    """A folder is not what its manifest says, or holds what no published model may hold.

    Args:
        place: the folder or repository.
        findings: everything that was found, one sentence each.
    """

    exit_code = 1

    def __init__(self, place: str, findings: list[str]):
        self.findings = findings
        super().__init__(f"{place} is not to be trusted: " + "; ".join(findings))


class HubRefusedError(PublishError):
    """The Hub does not allow it: no rights, a name that is taken, a branch that moved. The repository is as it was."""

    exit_code = 3


class HubUnreachableError(PublishError):
    """The Hub could not be reached or failed; the branch is as it was, or whole. Run the command again."""

    exit_code = 4


class ArrivalError(PublishError):
    """The commit is there, but what was loaded from it is not what was sent."""

    exit_code = 5
