"""`python -m vmbackup`."""

from vmbackup.cli import main

main()
