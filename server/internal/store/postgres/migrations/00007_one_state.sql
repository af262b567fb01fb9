-- What tells this database from others is there once, also after a restore into one that was not empty.

-- +goose Up
CREATE UNIQUE INDEX state_has_one_row ON ostiary.state ((TRUE));

-- +goose Down
DROP INDEX ostiary.state_has_one_row;
