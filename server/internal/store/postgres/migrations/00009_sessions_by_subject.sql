-- Lists by subject are in the order of bytes, of which an index takes only so many.

-- +goose Up
DROP INDEX ostiary.sessions_of_subject;
CREATE INDEX sessions_of_subject ON ostiary.sessions (substr(subject, 1, 256), first_seen);

-- +goose Down
DROP INDEX ostiary.sessions_of_subject;
CREATE INDEX sessions_of_subject ON ostiary.sessions (sha256(subject), first_seen);
