-- By which services sessions were seen; service is empty for ostiary's own servers.

-- +goose Up
CREATE TABLE ostiary.sightings (
    -- That of the session.
    name             BYTEA  NOT NULL REFERENCES ostiary.sessions ON DELETE CASCADE,
    service          BYTEA  NOT NULL,
    first_seen       BIGINT NOT NULL,
    last_seen        BIGINT NOT NULL,
    authorized_party BYTEA  NOT NULL,
    client_id        BYTEA  NOT NULL,
    user_agent       BYTEA  NOT NULL,
    address          BYTEA  NOT NULL,
    PRIMARY KEY (name, service)
);
INSERT INTO ostiary.sightings
SELECT name, '', first_seen, last_seen, authorized_party, client_id, user_agent, address FROM ostiary.sessions;

-- +goose Down
DROP TABLE ostiary.sightings;
