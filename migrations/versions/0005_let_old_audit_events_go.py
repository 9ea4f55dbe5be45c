"""Let old audit events go from the front of the chain, and nothing else.

Revision: 0005, after 0004. Going back forgets where the kept part begins: what was let go then counts as missing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ALLOWED = {"trigger": "Old code only adds audit events, one after the other, which these triggers let through."}

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# A row may go if the head says that it was let go, and if it is older than the shortest retention there is. COALESCE:
# without a head nothing may go. The head only moves forwards, and stays.
PRUNED_ONLY = {
    "sqlite": (
        "DROP TRIGGER audit_events_no_delete",
        """CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
           WHEN NOT (OLD.seq <= COALESCE((SELECT pruned_seq FROM audit_head WHERE id = 1), 0)
                     AND OLD.at < datetime('now', '-90 days'))
           BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
        """CREATE TRIGGER audit_head_forwards BEFORE UPDATE ON audit_head
           WHEN NEW.pruned_seq < OLD.pruned_seq OR NEW.pruned_seq > NEW.seq
           BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only: its head moves forwards'); END""",
    ),
    "postgresql": (
        "DROP TRIGGER audit_events_no_change ON audit_events",
        """CREATE TRIGGER audit_events_no_change BEFORE UPDATE OR TRUNCATE ON audit_events
           FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()""",
        # Its own search path, and the table by its schema: nobody's function or temporary table answers instead.
        """CREATE FUNCTION audit_events_pruned_only() RETURNS trigger LANGUAGE plpgsql
           SET search_path = pg_catalog, pg_temp AS $$
           DECLARE pruned bigint;
           BEGIN
             EXECUTE format('SELECT pruned_seq FROM %I.audit_head WHERE id = 1', TG_TABLE_SCHEMA) INTO pruned;
             IF OLD.seq <= COALESCE(pruned, 0) AND OLD.at < now() - interval '90 days' THEN RETURN OLD; END IF;
             RAISE EXCEPTION 'the audit trail is append-only';
           END $$""",
        """CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
           FOR EACH ROW EXECUTE FUNCTION audit_events_pruned_only()""",
        """CREATE FUNCTION audit_head_forwards() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only: its head moves forwards'; END $$""",
        """CREATE TRIGGER audit_head_forwards BEFORE UPDATE ON audit_head FOR EACH ROW
           WHEN (NEW.pruned_seq < OLD.pruned_seq OR NEW.pruned_seq > NEW.seq)
           EXECUTE FUNCTION audit_head_forwards()""",
    ),
}

NEVER = {
    "sqlite": (
        "DROP TRIGGER audit_head_forwards",
        "DROP TRIGGER audit_events_no_delete",
        """CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
           BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    ),
    "postgresql": (
        "DROP TRIGGER audit_head_forwards ON audit_head",
        "DROP FUNCTION audit_head_forwards()",
        "DROP TRIGGER audit_events_no_delete ON audit_events",
        "DROP FUNCTION audit_events_pruned_only()",
        "DROP TRIGGER audit_events_no_change ON audit_events",
        """CREATE TRIGGER audit_events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
           FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()""",
    ),
}


def upgrade() -> None:
    op.add_column("audit_head", sa.Column("pruned_seq", BIG_ID, server_default="0", nullable=False))
    op.add_column("audit_head", sa.Column("pruned_hash", sa.String(length=64), nullable=True))
    op.add_column("audit_head", sa.Column("pruned_at", sa.DateTime(timezone=True), nullable=True))
    for statement in PRUNED_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for statement in NEVER[op.get_bind().dialect.name]:
        op.execute(statement)
    for column in ("pruned_at", "pruned_hash", "pruned_seq"):
        op.drop_column("audit_head", column)
