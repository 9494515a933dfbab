"""What the simulated pool answers when it refuses: XAPI's error code and its parameters."""


class XapiError(Exception):
    """A failure as XAPI reports it: `code`, then `params` (strings); `ErrorDescription` is both in one list."""

    def __init__(self, code: str, *params: str) -> None:
        super().__init__(code, *params)
        self.code = code
        self.params = params

    @property
    def description(self) -> list[str]:
        """The code and its parameters, as `ErrorDescription` and `task.error_info` hold them."""
        return [self.code, *self.params]


def handle_invalid(cls: str, ref: str) -> XapiError:
    """Build the answer to a ref that names nothing."""
    return XapiError("HANDLE_INVALID", cls, ref)


def internal_error(text: str) -> XapiError:
    """Build the answer to what the real server takes for a fault of its own (an OCaml exception's text)."""
    return XapiError("INTERNAL_ERROR", text)
