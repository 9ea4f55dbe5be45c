"""The people of the benchmark: many in the table, one administrator who asks, some who sign in."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlalchemy import String, cast, func, insert, select
from sqlalchemy.sql.elements import ColumnElement

from app.core import clock
from app.core.caller import OPERATOR
from app.core.config import Settings
from app.core.ids import uuid7
from app.core.paging import write_cursor
from app.core.permissions import ADMIN, USER
from app.core.signing import ACCESS, Signer
from app.features.access.models import UserRole
from app.features.accounts import service as accounts
from app.features.accounts.models import User
from app.features.auth import keys
from app.infra import db, migrations
from app.main import features
from app.main.factory import create_app

SIGNERS_IN = 64
PASSWORD = "Correct-Horse-7-Battery"
ADMINISTRATOR = "bench-admin"

_ONE_BY_ONE = 1000
_MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations" / "versions"


@dataclass(frozen=True, slots=True)
class Population:
    """What the requests of the benchmark need to know."""

    users: int
    seconds: float
    middle: str
    logins: list[bytes]


def assemble(settings: Settings, users: int, *, keeps: bool) -> Population:
    """Bring the database of these settings to this number of users.

    Unless it ``keeps`` those of an earlier run, whatever is in it is lost, as when the tests use it.
    """
    started = time.perf_counter()
    create_app(settings)
    if not keeps and migrations.current():
        migrations.downgrade("base")
    migrations.upgrade()
    with migrations.alone(), db.unit_of_work():
        features.bootstrap()
    with db.unit_of_work(writes=False):
        found = db.session().scalar(select(func.count()).select_from(User))
    if found != users + SIGNERS_IN + 1:
        assert not found, f"{settings.database} holds {found} users, not those of a benchmark; remove it"
        _fill(users)
    with db.unit_of_work(writes=False):
        middle = db.session().scalars(select(User.id).order_by(User.id).offset(users // 2).limit(1)).one()
    return Population(users, time.perf_counter() - started, write_cursor("users id", [middle]), _logins())


def shape() -> str:
    """Return a short name of the present schema: a database kept from an earlier run is used only if it has this."""
    texts = [path.read_bytes() for path in sorted(_MIGRATIONS.glob("*.py"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:8]


def more_tokens(token: str, number: int) -> list[str]:
    """Return so many tokens of the same session, each with a signature that nobody has checked yet."""
    signer: Signer = keys.signer()
    claims = signer.read(ACCESS, token, now=clock.now().timestamp())
    return [signer.sign(ACCESS, {**claims, "jti": str(uuid7())}) for _ in range(number)]


def _fill(users: int) -> None:
    """Seed a thousand as the command does, then let the database copy them until there are enough."""
    with db.unit_of_work():
        accounts.seed(min(users, _ONE_BY_ONE), advance=lambda _: None)
    made = min(users, _ONE_BY_ONE)
    while made < users:
        made += _copy(made, min(made, users - made))
    hashed = accounts.hash_new_password(PASSWORD, hints=())
    with db.unit_of_work():
        for name, roles in [(ADMINISTRATOR, [ADMIN, USER]), *((_name(number), [USER]) for number in range(SIGNERS_IN))]:
            accounts.create(accounts.NewAccount(name, f"{name}@bench.example", hashed), roles=roles, by=OPERATOR)
    _settle()


def _copy(offset: int, number: int) -> int:
    """Copy the first so many users under new names, and their roles."""
    username = func.lower(User.first_name + "." + User.last_name + "." + cast(User.id + offset, String))
    email = username + "@seed.example"
    changed: dict[str, ColumnElement[str]] = {
        "username": username,
        "username_key": username,
        "email": email,
        "email_key": email,
        "search_text": username + " " + email + " " + func.lower(User.first_name + " " + User.last_name),
    }
    columns = [column for column in User.__table__.columns if column.name != "id"]
    rows = select(*(changed.get(column.name, column) for column in columns)).where(User.id <= number)
    with db.unit_of_work():
        last = db.session().scalar(select(func.max(User.id)))
        db.session().execute(insert(User).from_select([column.name for column in columns], rows.order_by(User.id)))
        role = select(UserRole.role_id).limit(1).scalar_subquery()
        held = select(User.id, role).where(User.id > last)
        db.session().execute(insert(UserRole).from_select(["user_id", "role_id"], held))
    return number


def _settle() -> None:
    """Let PostgreSQL learn what it holds, which it does by itself after a while."""
    if db.is_postgres():
        connection = db.engine().raw_connection()
        connection.cursor().execute("VACUUM ANALYZE")
        connection.close()


def _name(number: int) -> str:
    return f"bench-{number}"


def _logins() -> list[bytes]:
    return [orjson.dumps({"username": _name(number), "password": PASSWORD}) for number in range(SIGNERS_IN)]
