-- What was forgotten, so that it never comes back: by its id, and nothing else of it. A server is told of it like of a
-- write; see src/store/forgetting.rs.
CREATE TABLE forgotten (
    id        TEXT PRIMARY KEY,
    delivered INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX forgotten_to_send ON forgotten (id) WHERE delivered = 0;

-- What a server may have that isn't here any more is forgotten by what it was asked for.
CREATE TABLE forgetting (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Only what was said before this, in nanoseconds since 1970 in UTC ...
    before    INTEGER NOT NULL,
    -- ... and has all of these words, a JSON list. They are kept until the server was told, and no longer.
    words     TEXT,
    delivered INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Another process may still hold it, and write it once more.
CREATE TRIGGER record_not_again BEFORE INSERT ON record
WHEN EXISTS (SELECT 1 FROM forgotten WHERE id = new.id) BEGIN
    SELECT raise(IGNORE);
END;
