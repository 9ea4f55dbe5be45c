-- The statements that the service sends, for both databases. ROLES, SHOWN and JSON_LIST are replaced in bare_sql.py.

-- name: identity
SELECT
    sessions.id AS sid, sessions.auth_time, SHOWN, roles.name, roles.permissions, users.mfa_enabled,
    sessions.methods, sessions.last_used_at, sessions.reauthenticated_at, sessions.impersonator_id
FROM sessions
JOIN users ON users.id = sessions.user_id AND users.is_active IS true AND users.deleted_at IS NULL
LEFT OUTER JOIN user_roles ON user_roles.user_id = sessions.user_id
LEFT OUTER JOIN roles ON roles.id = user_roles.role_id
WHERE sessions.id = :sid AND sessions.revoked_at IS NULL AND sessions.expires_at > :now

-- name: page
SELECT SHOWN, ROLES, users.username_key, users.email_key
FROM users
WHERE users.deleted_at IS NULL
ORDER BY users.id LIMIT :limit

-- name: page_after
SELECT SHOWN, ROLES, users.username_key, users.email_key
FROM users
WHERE users.deleted_at IS NULL AND users.id > :after
ORDER BY users.id LIMIT :limit

-- name: count
SELECT count(*) FROM (SELECT 1 FROM users WHERE users.deleted_at IS NULL LIMIT :limit) AS counted

-- name: credentials
SELECT users.id, users.password_hash, users.is_active
FROM users
WHERE users.email_key = :login AND users.deleted_at IS NULL
    OR users.username_key = :login AND users.deleted_at IS NULL

-- name: known_address
SELECT sessions.id
FROM sessions
WHERE sessions.user_id = :user_id AND sessions.ip = :ip AND sessions.created_at > :since
LIMIT 1

-- name: take
INSERT INTO auth_throttle (bucket, n, window_start) VALUES (:bucket, 1, :now)
ON CONFLICT (bucket) DO UPDATE SET
    n = CASE WHEN auth_throttle.window_start <= :expired THEN 1 ELSE auth_throttle.n + 1 END,
    window_start = CASE WHEN auth_throttle.window_start <= :expired THEN :now ELSE auth_throttle.window_start END
RETURNING auth_throttle.n, auth_throttle.window_start

-- name: still_hold
SELECT
    users.id, users.username, users.username_key, users.email, users.email_key, users.email_verified_at,
    users.first_name, users.last_name, users.locale, users.password_hash, users.is_active, users.search_text,
    users.version, users.created_at, users.updated_at, users.deleted_at
FROM users
WHERE users.id = :user_id LOCKED

-- name: give_back
UPDATE auth_throttle SET n = n - 1 WHERE bucket = :bucket AND n > 0

-- name: forget
DELETE FROM auth_throttle WHERE bucket = :bucket

-- name: start_session
INSERT INTO sessions (
    id, user_id, gen, rotated_at, auth_time, methods, created_at, last_used_at, expires_at,
    revoked_at, revoke_reason, ip, user_agent
) VALUES (:sid, :user_id, 0, :now, :now, :methods, :now, :now, :expires_at, NULL, NULL, :ip, NULL)

-- name: user
SELECT SHOWN, ROLES FROM users WHERE users.id = :user_id

-- name: next_link
UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash

-- name: append
INSERT INTO audit_events (
    seq, id, at, event, outcome, actor_type, actor_id, target_type, target_id,
    ip, user_agent, request_id, detail, hash
) VALUES (
    :seq, :id, :now, 'authn_login_success', 'success', 'user', :actor, 'session', :target,
    :ip, NULL, :request_id, :detail, :hash
)

-- name: link
UPDATE audit_head SET hash = :hash WHERE id = 1
