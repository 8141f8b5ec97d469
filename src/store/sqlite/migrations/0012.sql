-- Files that reports keep: their bytes stay, whatever becomes of the messages that show them, until no report keeps them.

CREATE TABLE evidence_file (
    report TEXT NOT NULL REFERENCES report ON DELETE CASCADE,
    file TEXT NOT NULL REFERENCES upload ON DELETE CASCADE,
    PRIMARY KEY (report, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_file_by_file ON evidence_file (file);
