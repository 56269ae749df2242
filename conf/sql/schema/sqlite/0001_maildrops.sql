-- Maildrops of mailretr, for preset: mailretr. The file is only read.
CREATE TABLE IF NOT EXISTS mailretr_maildrops (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT    NULL UNIQUE,                -- for status and logs; NULL: the source and the id
  active     INTEGER NOT NULL DEFAULT 1,
  protocol   TEXT    NOT NULL DEFAULT 'imap',    -- or pop3
  host       TEXT    NOT NULL,
  port       INTEGER NULL,                       -- NULL: the usual one
  tls        TEXT    NOT NULL DEFAULT 'implicit', -- or starttls, none
  "user"     TEXT    NOT NULL,
  password   TEXT    NOT NULL,                   -- plain, {base64}…, or enc:…
  folders    TEXT    NULL,                       -- of IMAP, with commas; NULL: INBOX
  keep       INTEGER NOT NULL DEFAULT 1,         -- 0: delete what was collected
  "interval" INTEGER NULL,                       -- seconds between two looks; NULL: as all
  recipient  TEXT    NOT NULL,                   -- one address or several, with commas
  deliver    TEXT    NULL,                       -- one of destinations: of the source; NULL: as all
  changed    TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
CREATE INDEX IF NOT EXISTS mailretr_maildrops_changed ON mailretr_maildrops (changed);
CREATE TRIGGER IF NOT EXISTS mailretr_touch AFTER UPDATE ON mailretr_maildrops WHEN NEW.changed = OLD.changed
BEGIN UPDATE mailretr_maildrops SET changed = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = NEW.id; END;
