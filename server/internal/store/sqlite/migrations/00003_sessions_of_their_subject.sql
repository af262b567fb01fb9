-- A session belongs to its subject: two subjects may name the same session_id.

-- +goose Up
CREATE TABLE sessions_of_subjects (
    issuer           TEXT   NOT NULL,
    session_id       TEXT   NOT NULL,
    subject          TEXT   NOT NULL,
    organization     TEXT   NOT NULL,
    authorized_party TEXT   NOT NULL,
    user_agent       TEXT   NOT NULL,
    address          TEXT   NOT NULL,
    first_seen       BIGINT NOT NULL,
    last_seen        BIGINT NOT NULL,
    issued_at        BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    PRIMARY KEY (issuer, session_id, subject)
);
INSERT INTO sessions_of_subjects SELECT
    issuer, session_id, subject, organization, authorized_party, user_agent, address,
    first_seen, last_seen, issued_at, expires_at FROM sessions;
DROP TABLE sessions;
ALTER TABLE sessions_of_subjects RENAME TO sessions;
-- What is listed is in the order first_seen, issuer, session_id, subject.
CREATE INDEX sessions_in_order ON sessions (first_seen, issuer, session_id, subject);
CREATE INDEX sessions_of_subject ON sessions (issuer, subject, first_seen);
CREATE INDEX sessions_in_organization ON sessions (issuer, organization, first_seen);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen);

-- Whose tokens of a session are revoked; '' means anybody's.
ALTER TABLE revocations ADD COLUMN subject TEXT NOT NULL DEFAULT '';
