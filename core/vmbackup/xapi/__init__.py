"""The real pool: a session over XAPI, the inventory, what a run makes in the pool, and the transfers of images."""
