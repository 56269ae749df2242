-- Maildrops of mailretr, for preset: mailretr. It needs the right to SELECT alone.
CREATE TABLE IF NOT EXISTS mailretr_maildrops (
  id        BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name      VARCHAR(64)  NULL UNIQUE,                -- for status and logs; NULL: the source and the id
  active    TINYINT(1)   NOT NULL DEFAULT 1,
  protocol  VARCHAR(8)   NOT NULL DEFAULT 'imap',    -- or pop3
  host      VARCHAR(255) NOT NULL,
  port      INT          NULL,                       -- NULL: the usual one
  tls       VARCHAR(16)  NOT NULL DEFAULT 'implicit', -- or starttls, none
  `user`    VARCHAR(255) NOT NULL,
  password  TEXT         NOT NULL,                   -- plain, {base64}…, or enc:…
  folders   TEXT         NULL,                       -- of IMAP, with commas; NULL: INBOX
  keep      TINYINT(1)   NOT NULL DEFAULT 1,         -- 0: delete what was collected
  `interval` INT         NULL,                       -- seconds between two looks; NULL: as all
  recipient TEXT         NOT NULL,                   -- one address or several, with commas
  deliver   VARCHAR(64)  NULL,                       -- one of destinations: of the source; NULL: as all
  changed   TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  KEY mailretr_maildrops_changed (changed)
) DEFAULT CHARACTER SET utf8mb4;
