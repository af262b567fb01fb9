-- The processes that read the revocations, and how far each is. One that is not heard of for a while is forgotten.

-- +goose Up
CREATE TABLE ostiary.readers (
    -- Empty for a server.
    service     BYTEA  NOT NULL,
    instance_id BYTEA  NOT NULL,
    confirmed   BIGINT NOT NULL,
    heard_at    BIGINT NOT NULL,
    PRIMARY KEY (service, instance_id)
);

-- +goose Down
DROP TABLE ostiary.readers;
