-- What a deleted message of a session said, for reports alone; null in rooms. It goes with the row.
ALTER TABLE message ADD COLUMN withdrawn TEXT;
