"""Prove identity in more ways: links by mail, second factors, API keys, other providers, impersonation.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_UNRELEASED = "No release before this one had these tables, so no old code runs beside it and none holds many rows."

ALLOWED = {
    "index": _UNRELEASED,
    "constraint": _UNRELEASED,
    "change-type": _UNRELEASED,
    "ban-drop-default": _UNRELEASED,
}

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("users", sa.Column("mfa_enabled", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("users", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(sa.Column("reauthenticated_at", sa.DateTime(timezone=True), nullable=True))
        sessions.add_column(sa.Column("impersonator_id", BIG_ID, nullable=True))
        sessions.create_foreign_key(
            op.f("fk_sessions_impersonator_id_users"), "users", ["impersonator_id"], ["id"], ondelete="CASCADE"
        )
    op.create_index("ix_sessions_impersonator_id", "sessions", ["impersonator_id"])
    with op.batch_alter_table("one_time_codes") as codes:
        codes.alter_column("purpose", existing_type=sa.String(length=16), type_=sa.String(length=32))
        codes.add_column(sa.Column("user_id", BIG_ID, nullable=True))
        codes.add_column(sa.Column("detail", sa.JSON(), server_default="{}", nullable=False))
        codes.create_foreign_key(
            op.f("fk_one_time_codes_user_id_users"), "users", ["user_id"], ["id"], ondelete="CASCADE"
        )
    with op.batch_alter_table("one_time_codes") as codes:
        codes.alter_column("detail", existing_type=sa.JSON(), existing_nullable=False, server_default=None)
    op.create_index("ix_one_time_codes_user_id_purpose", "one_time_codes", ["user_id", "purpose"])
    op.create_index("ix_one_time_codes_expires_at", "one_time_codes", ["expires_at"])
    _create_factors()
    _create_api_keys()
    _create_identities()


def downgrade() -> None:
    for table in ("identities", "api_keys", "passkeys", "recovery_codes", "totp_secrets"):
        op.drop_table(table)
    op.drop_index("ix_one_time_codes_expires_at", "one_time_codes")
    op.drop_index("ix_one_time_codes_user_id_purpose", "one_time_codes")
    with op.batch_alter_table("one_time_codes") as codes:
        codes.drop_constraint(op.f("fk_one_time_codes_user_id_users"), type_="foreignkey")
        codes.drop_column("detail")
        codes.drop_column("user_id")
        codes.alter_column("purpose", existing_type=sa.String(length=32), type_=sa.String(length=16))
    op.drop_index("ix_sessions_impersonator_id", "sessions")
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_constraint(op.f("fk_sessions_impersonator_id_users"), type_="foreignkey")
        sessions.drop_column("impersonator_id")
        sessions.drop_column("reauthenticated_at")
    op.drop_column("users", "erased_at")
    op.drop_column("users", "mfa_enabled")


def _create_factors() -> None:
    op.create_table(
        "totp_secrets",
        sa.Column("user_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_totp_secrets_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_totp_secrets")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_recovery_codes")),
    )
    op.create_index("ix_recovery_codes_user_id", "recovery_codes", ["user_id"])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", BIG_ID, nullable=False),
        sa.Column("transports", sa.JSON(), nullable=False),
        sa.Column("aaguid", sa.String(length=36), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passkeys_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=24), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index("ix_api_keys_user_id_id", "api_keys", ["user_id", "id"])


def _create_identities() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_identities_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identities_issuer_subject")),
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
