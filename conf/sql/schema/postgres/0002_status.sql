-- How each maildrop is, for status: of a source. It needs the rights to SELECT, INSERT, UPDATE and DELETE on this table alone.
CREATE TABLE IF NOT EXISTS mailretr_status (
  reporter         TEXT        NOT NULL,           -- hostname of the mailretr that writes it
  maildrop         TEXT        NOT NULL,
  source           TEXT        NULL,               -- where its entry stands; NULL: in a file
  row_id           TEXT        NULL,               -- there
  state            TEXT        NOT NULL,           -- ok late login tls connect busy protocol envelope recipient local budget paused never
  words            TEXT        NOT NULL,           -- the same as a sentence
  class            TEXT        NULL,               -- of what went wrong last: unreachable tls auth busy protocol envelope recipient local budget
  since            TIMESTAMPTZ NULL,               -- when the state began
  advice           TEXT        NULL,               -- what to do
  said             TEXT        NULL,               -- the server's own words
  cause            TEXT        NULL,               -- for an admin
  failures         INTEGER     NOT NULL DEFAULT 0, -- in a row
  last_attempt     TIMESTAMPTZ NULL,
  last_success     TIMESTAMPTZ NULL,
  last_mail        TIMESTAMPTZ NULL,
  next_attempt     TIMESTAMPTZ NULL,
  waiting          INTEGER     NOT NULL DEFAULT 0, -- messages that are to be collected
  waiting_octets   BIGINT      NOT NULL DEFAULT 0,
  collected        BIGINT      NOT NULL DEFAULT 0, -- messages, ever
  collected_octets BIGINT      NOT NULL DEFAULT 0,
  line_up          BIGINT      NOT NULL DEFAULT 0, -- octets sent and received for it
  line_down        BIGINT      NOT NULL DEFAULT 0,
  saved_octets     BIGINT      NOT NULL DEFAULT 0, -- that did not have to cross the line again, or at all
  wasted_octets    BIGINT      NOT NULL DEFAULT 0, -- that crossed it for nothing
  recent           TEXT        NULL,               -- JSON: the last messages, the newest last, with what became of them
  updated          TIMESTAMPTZ NULL,
  PRIMARY KEY (reporter, maildrop)
);
CREATE INDEX IF NOT EXISTS mailretr_status_row ON mailretr_status (source, row_id);
CREATE INDEX IF NOT EXISTS mailretr_status_state ON mailretr_status (state);
