"""What `help`, `config` and `example` print on the old command line."""

from typing import Final

from vmbackup.nau.words import USAGE

HELP: Final = f"""\
{USAGE}

  PASSWORD-FILE  a file with root's password in Base64. What is no file is taken for the password itself, which
                 everyone on this machine can then read until vmbackup has overwritten it.
  CONFIG         a configuration of NAU VMbackup, of 3.0 or later; or a selector: NAME, a wildcard,
                 vm-export=SELECTOR or vdi-export=SELECTOR, each with :N for the number of copies

  preview                 show what would be done, and change nothing
  init                    once: make the folder of the backups known to vmbackup, beside the old backups in it
  compress=True           compress what is stored with gzip
  pre_clean=True          is taken and not followed: an old copy goes only when the new one is proven
  ignore_extra_keys=True  pass over keys that are not known
  create-password-file=FILE, in the place of CONFIG, writes PASSWORD to FILE
  help, config, example   this text, the keys of a configuration, an example of one

Which pool, and how its certificate is trusted, NAU had not to be told: --pool URL --fingerprint sha256:…,
or /etc/vmbackup/nau.toml. `vmbackup nau --help` shows all options.
"""

KEYS: Final = """\
One key = value a line; a line that begins with # is a comment. Nothing may stand behind a value.

  max_backups=4               how many proven copies of each VM are kept
  backup_dir=/snapshots/BACKUPS    where they go; the folder must exist
  status_log=FILE             where a line for each begin and end is added (3.1 and later)
  vdi_export_format=raw       or vhd
  pool_db_backup=0            1: the pool's database is dumped as well
  vm-export=SELECTOR[:N]      whole VMs; N copies of these
  vdi-export=SELECTOR[:N]     their OS disks alone; goes before vm-export
  exclude=SELECTOR            goes before both

In 3.0 a SELECTOR is a name, or the beginning of names and a *. Since 3.1 it is a name of letters, digits, -, _ and
blanks, or else a regular expression that fits the beginning of names. Which is meant is recognised, and said;
--dialect 3.0 or --dialect 3.25 says it.
"""

EXAMPLE: Final = """\
# Weekend backups, as NAU VMbackup 3.0 has them. It runs as it is:
#   vmbackup nau /etc/vmbackup/nau.password weekend.cfg
# How many copies of each VM are kept
max_backups=4
# An NFS share that is mounted here
backup_dir=/snapshots/BACKUPS
# The OS disk alone: the large disks of its users are backed up by other means
vdi-export=PROD-CentOS7-large-user-disks
# All of production, and three copies of what is developed on Red Hat
vm-export=PROD*
vm-export=DEV-RH*:3
# These two fall into PROD*, and are not worth it
exclude=PROD-ubuntu12-benchmark
exclude=PROD-ubuntu14-benchmark
"""
