-- What is listed by subject is in the order subject, issuer, first_seen, session_id, and searched by organization as well.

-- +goose Up
DROP INDEX sessions_of_subject;
CREATE INDEX sessions_of_subject ON sessions (subject, issuer, first_seen DESC, session_id DESC, organization);

-- +goose Down
DROP INDEX sessions_of_subject;
CREATE INDEX sessions_of_subject ON sessions (subject, first_seen, issuer);
