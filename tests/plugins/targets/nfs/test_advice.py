import pytest

from vmbackup_targets.nfs.advice import advice_on_mount


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("access denied by server while mounting nas:/x", "exports(5)"),
        ("mounting nas:/x failed, reason given by server: No such file or directory", "showmount"),
        ("Failed to resolve server nas: Name or service not known", "DNS"),
        ("requested NFS version or transport protocol is not supported", "nfsvers="),
        ("rpc.statd is not running but is required for remote locking.", "rpc-statd"),
        ("Operation not permitted", "CAP_SYS_ADMIN"),
        ("mount.nfs is missing", "nfs-common"),
        ("Connection refused", "port 2049"),
        ("no answer in time", "port 2049"),
    ],
)
def test_the_words_of_mount_lead_to_what_to_do(words: str, advice: str) -> None:
    assert advice in advice_on_mount(words)
