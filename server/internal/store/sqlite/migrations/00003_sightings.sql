-- By which services sessions were seen; service is '' for ostiary's own servers.

-- +goose Up
CREATE TABLE sightings (
    issuer           TEXT   NOT NULL,
    session_id       TEXT   NOT NULL,
    subject          TEXT   NOT NULL,
    service          TEXT   NOT NULL,
    first_seen       BIGINT NOT NULL,
    last_seen        BIGINT NOT NULL,
    authorized_party TEXT   NOT NULL,
    client_id        TEXT   NOT NULL,
    user_agent       TEXT   NOT NULL,
    address          TEXT   NOT NULL,
    PRIMARY KEY (issuer, session_id, subject, service)
);
INSERT INTO sightings SELECT issuer, session_id, subject, '', first_seen, last_seen, authorized_party, client_id, user_agent, address FROM sessions;
-- +goose StatementBegin
CREATE TRIGGER sightings_go_with_their_session AFTER DELETE ON sessions BEGIN
    DELETE FROM sightings WHERE issuer = old.issuer AND session_id = old.session_id AND subject = old.subject;
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER sightings_go_with_their_session;
DROP TABLE sightings;
