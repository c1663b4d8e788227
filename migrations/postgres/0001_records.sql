-- One row per utterance, as in the journal of the machine where it was said. Everything is in a
-- schema of its own, so that the database can be shared with anything else.
CREATE TABLE voice_terminal.record (
    -- UUIDv7: sorts by time, and is the idempotency key.
    id             uuid PRIMARY KEY,
    -- Counts the changes; an older state never overwrites a newer one.
    revision       bigint NOT NULL,
    origin         text NOT NULL,
    -- Nanoseconds since 1970 in UTC, which timestamptz would round.
    at             bigint NOT NULL,
    said_at        timestamptz GENERATED ALWAYS AS (to_timestamp(at / 1e9)) STORED,
    speech_seconds double precision,
    text           text,
    transcript     jsonb,
    interpretation jsonb,
    command        jsonb,
    outcome        jsonb,
    reply          jsonb,
    abandoned      text,
    -- The words that are searched for, cut by the program in the same way as the journal cuts them.
    words          tsvector NOT NULL
);

CREATE INDEX record_words ON voice_terminal.record USING gin (words);
