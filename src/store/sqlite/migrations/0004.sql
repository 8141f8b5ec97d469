-- The device of a guest, null for an account: one device takes few places in a room.

ALTER TABLE member ADD COLUMN device TEXT;
