-- How far the log of that server had come when it took something last, in bytes. One whose log ends before that was
-- set back: to a snapshot, or a copy of its directory.
ALTER TABLE destination ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
