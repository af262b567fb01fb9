-- One row: the time of day by which servers have removed what has expired.

-- +goose Up
CREATE TABLE clock (
    believed_at BIGINT NOT NULL,
    -- For how many microseconds servers have run since, at times of day that they doubt.
    doubted     BIGINT NOT NULL,
    -- How often it was tried whether the database takes writes.
    probed      BIGINT NOT NULL
);
-- At first that of the latest activity.
INSERT INTO clock SELECT MAX(
    COALESCE((SELECT MAX(last_seen) FROM sessions), 0),
    COALESCE((SELECT created_at FROM revocations ORDER BY sequence DESC LIMIT 1), 0)), 0, 0;

-- +goose Down
DROP TABLE clock;
