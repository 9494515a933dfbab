"""An export of an NFS server as a target, mounted by the kernel."""
