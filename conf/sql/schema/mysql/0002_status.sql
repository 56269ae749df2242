-- How each maildrop is, for status: of a source. It needs the rights to SELECT, INSERT, UPDATE and DELETE on this table alone.
-- Times are instants: a session sees them in its own time zone.
CREATE TABLE IF NOT EXISTS mailretr_status (
  reporter         VARCHAR(255) NOT NULL,            -- hostname of the mailretr that writes it
  maildrop         VARCHAR(255) NOT NULL,
  source           VARCHAR(255) NULL,                -- where its entry stands; NULL: in a file
  row_id           VARCHAR(255) NULL,                -- there
  state            VARCHAR(16)  NOT NULL,            -- ok late login tls connect busy protocol envelope recipient local budget paused never
  words            TEXT         NOT NULL,            -- the same as a sentence
  class            VARCHAR(16)  NULL,                -- of what went wrong last: unreachable tls auth busy protocol envelope recipient local budget
  since            TIMESTAMP    NULL DEFAULT NULL,   -- when the state began
  advice           TEXT         NULL,                -- what to do
  said             TEXT         NULL,                -- the server's own words
  cause            TEXT         NULL,                -- for an admin
  failures         INT          NOT NULL DEFAULT 0,  -- in a row
  last_attempt     TIMESTAMP    NULL DEFAULT NULL,
  last_success     TIMESTAMP    NULL DEFAULT NULL,
  last_mail        TIMESTAMP    NULL DEFAULT NULL,
  next_attempt     TIMESTAMP    NULL DEFAULT NULL,
  waiting          INT          NOT NULL DEFAULT 0,  -- messages that are to be collected
  waiting_octets   BIGINT       NOT NULL DEFAULT 0,
  collected        BIGINT       NOT NULL DEFAULT 0,  -- messages, ever
  collected_octets BIGINT       NOT NULL DEFAULT 0,
  line_up          BIGINT       NOT NULL DEFAULT 0,  -- octets sent and received for it
  line_down        BIGINT       NOT NULL DEFAULT 0,
  saved_octets     BIGINT       NOT NULL DEFAULT 0,  -- that did not have to cross the line again, or at all
  wasted_octets    BIGINT       NOT NULL DEFAULT 0,  -- that crossed it for nothing
  recent           TEXT         NULL,                -- JSON: the last messages, the newest last, with what became of them
  updated          TIMESTAMP    NULL DEFAULT NULL,
  PRIMARY KEY (reporter, maildrop),
  KEY mailretr_status_row (source, row_id),
  KEY mailretr_status_state (state)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT=DYNAMIC;
