"""What a section `[mirrors.LABEL]` of type `rclone` may say."""

from pathlib import Path

from pydantic import Field

from vmbackup import Secret, Settings


class RcloneSettings(Settings):
    """Which remote of rclone's own configuration."""

    # No options and no back ends on the fly: what is said here is seen in the list of processes.
    remote: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .+@-]*:[^\x00\n]*$",
        description="name:path, of a remote that `rclone config` has set up; the path is for vmbackup alone",
    )
    config: Path | None = Field(default=None, description="rclone's configuration; else its own default")
    config_password: Secret | None = Field(default=None, description="of an encrypted configuration")
    timeout: int = Field(default=120, ge=5, le=3600, description="seconds in which something must come or go")

    def below(self, key: str = "") -> str:
        """Return a file or folder below the mirror's root as rclone takes it."""
        root = self.remote.rstrip("/")
        if not key:
            return self.remote
        return f"{root}{key}" if root.endswith(":") else f"{root}/{key}"
