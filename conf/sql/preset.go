package sql

import (
	"fmt"
	"strings"
)

// A preset is what a table that people have is asked with.
type preset struct {
	query   string
	version string // one value that changes with the rows; "": the table has none that can be trusted
}

// presetOf returns the preset of a table in a kind of database. In the queries [x] stands for the quoted name x.
func presetOf(name, kind string) (preset, error) {
	p, known := presets[name][kind]
	if !known {
		return preset{}, fmt.Errorf("there is no preset %s for %s", name, kind)
	}
	quote := `"`
	if kind == "mysql" {
		quote = "`"
	}
	quoted := strings.NewReplacer("[", quote, "]", quote)
	return preset{quoted.Replace(p.query), quoted.Replace(p.version)}, nil
}

// presets are known by their names and the kinds of databases in which they are found. A mailbox may have several rows, so
// that their ids are part of the names.
var presets = map[string]map[string]preset{
	"mailretr": {"mysql": own, "postgres": own, "sqlite": own},
	// postfixadmin has no server column that says STARTTLS: without usessl, fetchmail uses it where it is offered, and
	// here it is required. src_port is in newer ones only, and is left out.
	"postfixadmin": {
		"mysql":    postfixadmin("CONCAT(mailbox, '-', id)", "f.usessl = 1"),
		"postgres": postfixadmin("mailbox || '-' || id", "f.usessl"),
		"sqlite":   postfixadmin("mailbox || '-' || id", "f.usessl"),
	},
	"mailu": {
		"mysql":    mailu("CONCAT(user_email, '-', id)"),
		"postgres": mailu("user_email || '-' || id"),
		"sqlite":   mailu("user_email || '-' || id"),
	},
	// mailcow copies folders with imapsync; what is collected here is delivered to user2.
	"mailcow": {"mysql": {
		query: `SELECT id, CONCAT(user2, '-', id) AS name, active, 'imap' AS protocol, host1 AS host, port1 AS port,
  CASE enc1 WHEN 'SSL' THEN 'implicit' WHEN 'TLS' THEN 'starttls' ELSE 'none' END AS tls, user1 AS [user],
  password1 AS password, 1 - delete1 AS keep, mins_interval * 60 AS [interval], user2 AS recipient,
  custom_params AS options, 'plain' AS password_encoding
FROM imapsync WHERE dry = 0 ORDER BY id`,
		version: "SELECT COUNT(*), MAX(modified), MAX(created), SUM(active) FROM imapsync",
	}},
	"ispconfig": {"mysql": {
		query: `SELECT mailget_id AS id, CONCAT(destination, '-', mailget_id) AS name, active, LEFT(type, 4) AS protocol,
  source_server AS host, CASE WHEN type LIKE '%ssl' THEN 'implicit' ELSE 'none' END AS tls, source_username AS [user],
  source_password AS password, 'plain' AS password_encoding, CASE source_delete WHEN 'n' THEN 1 ELSE 0 END AS keep,
  300 AS [interval], destination AS recipient
FROM mail_get WHERE ? = 0 OR server_id = ? ORDER BY mailget_id`,
	}},
}

// own is our own table; see Schema.
var own = preset{
	query: `SELECT id, name, active, protocol, host, port, tls, [user], password, folders, keep, [interval], recipient, deliver
FROM mailretr_maildrops ORDER BY id`,
	version: "SELECT COUNT(*), MAX(changed), SUM(id) FROM mailretr_maildrops",
}

func postfixadmin(name, ssl string) preset {
	return preset{
		query: `SELECT f.id, ` + name + ` AS name, f.active, LOWER(f.protocol) AS protocol, f.src_server AS host,
  CASE WHEN ` + ssl + ` THEN 'implicit' ELSE 'starttls' END AS tls, f.src_user AS [user], f.src_password AS password,
  'base64' AS password_encoding, NULLIF(f.src_folder, '') AS folders, f.keep, f.fetchall, f.poll_time * 60 AS [interval],
  f.mailbox AS recipient, f.extra_options AS options
FROM fetchmail f ORDER BY f.id`,
		version: "SELECT COUNT(*), MAX(modified), SUM(id) FROM fetchmail",
	}
}

func mailu(name string) preset {
	return preset{
		query: `SELECT id, ` + name + ` AS name, protocol, host, port, CASE WHEN tls THEN 'implicit' ELSE 'none' END AS tls,
  username AS [user], password, 'plain' AS password_encoding, folders, keep, user_email AS recipient
FROM [fetch] ORDER BY id`,
	}
}
