"""The tests below `inside` need a kernel with NFS: test_nfs.py takes them there."""

collect_ignore = ["inside"]
