-- What a PostgreSQL server has not been given yet: the newest revision of each record that changed.
-- The triggers put it in with the change itself, in one transaction; see src/store/replay.rs.
CREATE TABLE outbox (
    seq      INTEGER PRIMARY KEY REFERENCES record (seq) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    -- Why the server will never take this revision; it is set aside then.
    refused  TEXT
) STRICT;

INSERT INTO outbox (seq, revision) SELECT seq, revision FROM record;

CREATE TRIGGER record_to_send AFTER INSERT ON record BEGIN
    INSERT INTO outbox (seq, revision) VALUES (new.seq, new.revision);
END;

CREATE TRIGGER record_to_send_again AFTER UPDATE OF revision ON record
WHEN new.revision <> old.revision BEGIN
    INSERT INTO outbox (seq, revision) VALUES (new.seq, new.revision)
    ON CONFLICT (seq) DO UPDATE SET revision = excluded.revision, refused = NULL;
END;

-- Which server, and which history of it, was given what is no longer in the outbox.
CREATE TABLE destination (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    identity TEXT NOT NULL
) STRICT;
