"""The door of accounts."""

from app.features.accounts.admission import lock_credentials, set_mfa_enabled
from app.features.accounts.changes import (
    EmailTaken,
    LastAdministrator,
    NewAccount,
    UsernameTaken,
    change,
    create,
    create_user,
    delete,
    has_administrator,
    restore,
    when_locked_out,
)
from app.features.accounts.credentials import (
    Credentials,
    check_password,
    connect,
    credentials_of,
    find_credentials,
    hash_new_password,
    still_hold,
    store_password,
)
from app.features.accounts.people import (
    Filters,
    Profile,
    find_user,
    get_user,
    join_users,
    list_users,
    profile,
)
from app.features.accounts.schemas import Email, Password, Username, UserOut
from app.features.accounts.seeding import seed

__all__ = [
    "Credentials",
    "Email",
    "EmailTaken",
    "Filters",
    "LastAdministrator",
    "NewAccount",
    "Password",
    "Profile",
    "UserOut",
    "Username",
    "UsernameTaken",
    "change",
    "check_password",
    "connect",
    "create",
    "create_user",
    "credentials_of",
    "delete",
    "find_credentials",
    "find_user",
    "get_user",
    "has_administrator",
    "hash_new_password",
    "join_users",
    "list_users",
    "lock_credentials",
    "profile",
    "restore",
    "seed",
    "set_mfa_enabled",
    "still_hold",
    "store_password",
    "when_locked_out",
]
