-- Uploads have names, and some wait for their bytes to be removed.

-- 0: asked for, 1: complete, 2: abandoned
ALTER TABLE upload RENAME COLUMN is_complete TO state;
ALTER TABLE upload ADD COLUMN name TEXT NOT NULL DEFAULT '';
CREATE INDEX upload_abandoned ON upload (at, id) WHERE state = 2;
