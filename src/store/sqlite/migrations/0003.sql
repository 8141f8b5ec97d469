-- The files of a room that is removed, and those that were promised and have not arrived.
CREATE INDEX upload_by_place ON upload (place, is_in_room);
CREATE INDEX upload_asked ON upload (at, id, bytes) WHERE state = 0;
