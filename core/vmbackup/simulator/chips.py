"""The TPMs of VMs: what is in one lies in a secret that only the database knows to be its (xapi_vtpm.ml)."""

from vmbackup.simulator.database import Database, Record


def make(db: Database, vm: str, contents: str, fields: Record) -> str:
    """Give a VM a TPM with these contents (base64); `fields` are its other ones. Returns its ref."""
    secret = db.create("secret", {"value": contents})
    return db.create("VTPM", {**fields, "VM": vm, "contents": secret})


def contents(db: Database, chip: str) -> str:
    """Give what is in a TPM (base64), nothing when it never held anything."""
    secret = db.get("VTPM", chip)["contents"]
    return str(db.get("secret", secret)["value"]) if db.has("secret", secret) else ""


def copy(db: Database, chip: str, vm: str) -> str:
    """Give a VM a TPM like another one, with what is in it; returns its ref."""
    source = db.get("VTPM", chip)
    return make(db, vm, contents(db, chip), {name: source[name] for name in ("is_unique", "is_protected")})


def remove(db: Database, chip: str) -> None:
    """Take a TPM away with what is in it."""
    secret = db.get("VTPM", chip)["contents"]
    db.delete("VTPM", chip)
    if db.has("secret", secret):
        db.delete("secret", secret)
