"""Full backups of Xen Orchestra, read where they lie and never written to: `xo-vm-backups/<VM>/<time>.{json,xva}`."""

from vmbackup.orchestra.repository import OrchestraRepository

__all__ = ["OrchestraRepository"]
