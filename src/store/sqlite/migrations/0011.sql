-- What led to an event, for those who trace: the traceparent of W3C Trace Context. Events of before have none.
ALTER TABLE event ADD COLUMN cause TEXT;
