"""Name the mistakes a user can repair; every message says found, wanted and repair on one line."""


class UserError(Exception):
    """Report something the user can put right; the CLI prints the message and exits 2."""


class DataError(UserError):
    """Report rows, files or folders that do not hold what the table needs."""


class ConfigError(UserError):
    """Report a setting that is unknown or out of range."""


class RunError(UserError):
    """Report a run folder that is missing, damaged or made for other data."""
