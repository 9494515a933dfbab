from vmbackup_mirrors.layout import found

MOMENT = "20260314T220000Z-3f9a"


def test_a_backup_is_where_a_manifest_is_at_the_right_depth() -> None:
    keys = [
        f"pool/vm/{MOMENT}/manifest.json",
        f"pool/other/{MOMENT}/manifest.2.json",
        f"pool-database/{MOMENT}/manifest.json",
        f"pool/none/{MOMENT}/image.xva",
        f"pool/{MOMENT}/manifest.json",
        f"pool/vm/deeper/{MOMENT}/manifest.json",
        f"runs/vm/{MOMENT}/manifest.json",
        "holidays/2025/beach/manifest.json",
        f"pool/vm/{MOMENT}/manifest.old.json",
    ]
    assert found(keys) == ([f"pool-database/{MOMENT}", f"pool/other/{MOMENT}", f"pool/vm/{MOMENT}"], [])


def test_a_removal_that_has_begun_is_none() -> None:
    assert found([f"pool/vm/{MOMENT}/trash.json", f"pool/vm/{MOMENT}/manifest.json"]) == ([], [f"pool/vm/{MOMENT}"])
