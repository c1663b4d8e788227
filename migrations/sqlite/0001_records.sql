-- One row per utterance. What the program reads back is kept as JSON in the words of its own types;
-- what people search for is drawn out of it by generated columns, so that it can't disagree.
CREATE TABLE record (
    seq            INTEGER PRIMARY KEY,
    -- UUIDv7: sorts by time, and is the idempotency key.
    id             TEXT NOT NULL UNIQUE,
    -- The run of the program that writes it; see src/store/owner.rs.
    owner          TEXT NOT NULL,
    -- Counts the changes; an older state never overwrites a newer one.
    revision       INTEGER NOT NULL,
    origin         TEXT NOT NULL,
    -- Nanoseconds since 1970 in UTC.
    at             INTEGER NOT NULL,
    speech_seconds REAL,
    text           TEXT,
    transcript     TEXT,
    interpretation TEXT,
    command        TEXT,
    outcome        TEXT,
    reply          TEXT,
    abandoned      TEXT,
    command_words  TEXT GENERATED ALWAYS AS (
        coalesce(interpretation ->> '$.command', '') || char(10) ||
        coalesce(command ->> '$.text', command ->> '$.name', '') || char(10) ||
        coalesce(outcome ->> '$.command', '')
    ) VIRTUAL,
    output_words   TEXT GENERATED ALWAYS AS (
        coalesce(outcome ->> '$.output', outcome ->> '$.text', outcome ->> '$.screen', outcome ->> '$.what', '')
    ) VIRTUAL,
    reply_words    TEXT GENERATED ALWAYS AS (coalesce(reply ->> '$.text', abandoned, '')) VIRTUAL
) STRICT;

-- What a crash left behind.
CREATE INDEX record_unfinished ON record (owner) WHERE reply IS NULL AND abandoned IS NULL;

-- The words are not stored twice: the index reads them from the table.
CREATE VIRTUAL TABLE record_search USING fts5 (
    text, command_words, output_words, reply_words,
    content = 'record', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER record_inserted AFTER INSERT ON record BEGIN
    INSERT INTO record_search (rowid, text, command_words, output_words, reply_words)
    VALUES (new.seq, new.text, new.command_words, new.output_words, new.reply_words);
END;

CREATE TRIGGER record_deleted AFTER DELETE ON record BEGIN
    INSERT INTO record_search (record_search, rowid, text, command_words, output_words, reply_words)
    VALUES ('delete', old.seq, old.text, old.command_words, old.output_words, old.reply_words);
END;

CREATE TRIGGER record_updated AFTER UPDATE ON record
WHEN old.text IS NOT new.text OR old.command_words IS NOT new.command_words
    OR old.output_words IS NOT new.output_words OR old.reply_words IS NOT new.reply_words
BEGIN
    INSERT INTO record_search (record_search, rowid, text, command_words, output_words, reply_words)
    VALUES ('delete', old.seq, old.text, old.command_words, old.output_words, old.reply_words);
    INSERT INTO record_search (rowid, text, command_words, output_words, reply_words)
    VALUES (new.seq, new.text, new.command_words, new.output_words, new.reply_words);
END;
