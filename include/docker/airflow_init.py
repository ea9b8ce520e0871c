"""Airflow's one-shot: its database at this version, and its administrator with the password of the secret.

Needs no argument that a list of processes would show. May be repeated.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SECRETS = Path("/run/evergreen-init")
USER = "admin"


def main() -> None:
    """Migrate, then make the administrator or give it its new password."""
    subprocess.run(["airflow", "db", "migrate"], check=True)
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    password = (SECRETS / "airflow-admin").read_text(encoding="ascii").strip()
    with get_application_builder() as builder:
        manager = builder.sm
        found = manager.find_user(username=USER)
        if found is None:
            role = manager.find_role("Admin")
            found = manager.add_user(USER, "Evergreen", "Administrator", "admin@evergreen.invalid", role, password)
            if not found:
                sys.exit("Airflow did not make its administrator; see above")
        elif not manager.reset_password(found.id, password):
            sys.exit("Airflow did not change its administrator's password; see above")
    # After a rotation the file holds two keys; what the older one wrote is written anew with the newer.
    if "," in Path("/run/evergreen/airflow-fernet").read_text(encoding="ascii"):
        subprocess.run(["airflow", "rotate-fernet-key"], check=True)


if __name__ == "__main__":
    main()
