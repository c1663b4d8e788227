-- A field that is damaged has no words, instead of an error that stops whoever reads or deletes its record. The columns
-- are drawn anew: what is on disk stays as it is, and so does the index.
DROP TRIGGER record_inserted;
DROP TRIGGER record_deleted;
DROP TRIGGER record_updated;

ALTER TABLE record DROP COLUMN command_words;
ALTER TABLE record DROP COLUMN output_words;
ALTER TABLE record DROP COLUMN reply_words;

ALTER TABLE record ADD COLUMN command_words TEXT GENERATED ALWAYS AS (
    coalesce(CASE WHEN json_valid(interpretation) THEN interpretation ->> '$.command' END, '') || char(10) ||
    coalesce(CASE WHEN json_valid(command) THEN coalesce(command ->> '$.text', command ->> '$.name') END, '')
        || char(10) ||
    coalesce(CASE WHEN json_valid(outcome) THEN outcome ->> '$.command' END, '')
) VIRTUAL;
ALTER TABLE record ADD COLUMN output_words TEXT GENERATED ALWAYS AS (
    coalesce(CASE WHEN json_valid(outcome) THEN
        coalesce(outcome ->> '$.output', outcome ->> '$.text', outcome ->> '$.screen', outcome ->> '$.what')
    END, '')
) VIRTUAL;
ALTER TABLE record ADD COLUMN reply_words TEXT GENERATED ALWAYS AS (
    coalesce(CASE WHEN json_valid(reply) THEN reply ->> '$.text' END, abandoned, '')
) VIRTUAL;

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
