"""The configuration and the command line of NAU VMbackup, vmbackup's predecessor, carried out as they stand."""
