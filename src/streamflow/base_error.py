"""The base class of all errors of streamflow: a message, what was left behind, what to do."""


class StreamflowError(Exception):
    """The base class of all errors of streamflow."""

    exit_code = 3
    http_status = 500
    retryable = False  # Whether the flows try again after this error; nothing else reads it.
    state = "Nothing was changed."
    remedy = "Run the command again with --debug and read the traceback."

    def __init__(
        self, message: str, *, state: str | None = None, remedy: str | None = None, **facts: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.state = self.state if state is None else state
        self.remedy = self.remedy if remedy is None else remedy
        self.facts = facts

    @property
    def code(self) -> str:
        """Return a stable name for machines: `ContractViolation` -> `contract_violation`."""
        return "".join(f"_{c}" if c.isupper() else c for c in type(self).__name__)[1:].lower()

    def __str__(self) -> str:
        return f"{self.message}\n{self.state} {self.remedy}".rstrip()
