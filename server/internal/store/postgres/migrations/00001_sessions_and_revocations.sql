-- Times are microseconds since 1970, 0 where there is none. What others named is BYTEA, since an ID may have bytes
-- that no TEXT can have; SET bytea_output = 'escape' makes psql show it as text. An ID may also be longer than an
-- index allows, so indexes are on digests.

-- +goose Up
-- One row: what tells this database from all others, and the last sequence that was given.
CREATE TABLE ostiary.state (
    epoch         BYTEA  NOT NULL,
    last_sequence BIGINT NOT NULL
);
INSERT INTO ostiary.state
VALUES (substring(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) FOR 16), 0);

CREATE TABLE ostiary.sessions (
    -- The digest of issuer, session_id and subject.
    name             BYTEA  PRIMARY KEY,
    issuer           BYTEA  NOT NULL,
    session_id       BYTEA  NOT NULL,
    subject          BYTEA  NOT NULL,
    organization     BYTEA  NOT NULL,
    authorized_party BYTEA  NOT NULL,
    user_agent       BYTEA  NOT NULL,
    address          BYTEA  NOT NULL,
    first_seen       BIGINT NOT NULL,
    last_seen        BIGINT NOT NULL,
    -- Of the newest token.
    token_id         BYTEA  NOT NULL,
    client_id        BYTEA  NOT NULL,
    actor_issuer     BYTEA  NOT NULL,
    actor_subject    BYTEA  NOT NULL,
    actor_session_id BYTEA  NOT NULL,
    actor_type       BYTEA  NOT NULL,
    issued_at        BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL
);
CREATE INDEX sessions_in_order ON ostiary.sessions (first_seen);
CREATE INDEX sessions_of_id ON ostiary.sessions (sha256(session_id));
CREATE INDEX sessions_of_subject ON ostiary.sessions (sha256(subject), first_seen);
CREATE INDEX sessions_in_organization ON ostiary.sessions (sha256(organization), first_seen);
CREATE INDEX sessions_of_client ON ostiary.sessions (sha256(client_id), first_seen);
CREATE INDEX sessions_by_last_seen ON ostiary.sessions (last_seen);
CREATE INDEX sessions_by_expiry ON ostiary.sessions (expires_at);

CREATE TABLE ostiary.revocations (
    sequence         BIGINT PRIMARY KEY,
    -- Random. A restored backup gives out the same numbers again, but not the same IDs.
    revocation_id    BYTEA  NOT NULL,
    -- The digest of kind, issuer, value and subject.
    target           BYTEA  NOT NULL,
    kind             TEXT   NOT NULL,
    issuer           BYTEA  NOT NULL,
    value            BYTEA  NOT NULL,
    -- Whose tokens of a session are revoked; empty means anybody's.
    subject          BYTEA  NOT NULL,
    issued_before    BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    origin           TEXT   NOT NULL,
    by_issuer        BYTEA  NOT NULL,
    by_subject       BYTEA  NOT NULL,
    by_client_id     BYTEA  NOT NULL,
    by_session_id    BYTEA  NOT NULL,
    actor_issuer     BYTEA  NOT NULL,
    actor_subject    BYTEA  NOT NULL,
    actor_session_id BYTEA  NOT NULL,
    actor_type       BYTEA  NOT NULL,
    cause            BYTEA  NOT NULL
);
CREATE INDEX revocations_by_expiry ON ostiary.revocations (expires_at);
CREATE INDEX revocations_of_target ON ostiary.revocations (target);

-- The answers to calls that may be retried.
CREATE TABLE ostiary.answers (
    -- The digest of who calls which method with which request ID.
    call     BYTEA  PRIMARY KEY,
    hash     BYTEA  NOT NULL,
    answer   BYTEA  NOT NULL,
    given_at BIGINT NOT NULL
);
CREATE INDEX answers_by_age ON ostiary.answers (given_at);

-- +goose Down
DROP TABLE ostiary.answers;
DROP TABLE ostiary.revocations;
DROP TABLE ostiary.sessions;
DROP TABLE ostiary.state;
