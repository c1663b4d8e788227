-- What was forgotten, by its id and nothing else of it: a batch that comes late doesn't bring it back.
CREATE TABLE voice_terminal.forgotten (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION voice_terminal.not_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM voice_terminal.forgotten WHERE id = new.id) THEN
        RETURN NULL;
    END IF;
    RETURN new;
END
$$;

CREATE TRIGGER record_not_again BEFORE INSERT ON voice_terminal.record
    FOR EACH ROW EXECUTE FUNCTION voice_terminal.not_again();
