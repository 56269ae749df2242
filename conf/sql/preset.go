package sql

import (
	"fmt"
	"regexp"
	"strings"

	"mailretr/conf"
)

// A preset is what a table that people have is asked with.
type preset struct {
	query   string
	version string // one value that changes with the rows; "": the table has none that can be trusted
	changed string // the query for the rows that changed; "": the table does not say which
}

// where is the place in a query of a preset in which the condition for rows that changed stands, where it has one.
const where = "{since}"

// since makes the preset of a query with a column version.
func since(query, condition, version string) preset {
	return preset{query: strings.ReplaceAll(query, where, ""), version: version, changed: strings.ReplaceAll(query, where, condition)}
}

// shortened are columns of a preset that the server shortens before it sends them: <x> stands for the beginning of x. What is
// longer than the greatest length stays so, and is named; but nobody who writes into such a table makes us read a gigabyte.
var shortened = regexp.MustCompile(`<([\w.\[\]]+)>`)

// beginning is how that is said: MaxColumn is in octets, of which a character has at least one.
func beginning(kind string) string {
	if kind == "sqlite" { // which would read all of it to shorten it
		return fmt.Sprintf("CASE WHEN OCTET_LENGTH($1) > %d THEN PRINTF('%%.*c', %d, 'x') ELSE $1 END", 4*conf.MaxColumn, conf.MaxColumn+1)
	}
	return fmt.Sprintf("LEFT($1, %d)", conf.MaxColumn+1)
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
	quoted, short := strings.NewReplacer("[", quote, "]", quote), beginning(kind)
	final := func(s string) string { return quoted.Replace(shortened.ReplaceAllString(s, short)) }
	return preset{final(p.query), final(p.version), final(p.changed)}, nil
}

// presets are known by their names and the kinds of databases in which they are found. A mailbox may have several rows, so
// that their ids are part of the names. Times of MySQL are compared as numbers of seconds, since they are shown by a clock
// that is set back once a year; those of mailcow are kept so.
var presets = map[string]map[string]preset{
	"mailretr": {
		"mysql":    own("UNIX_TIMESTAMP(changed)", "UNIX_TIMESTAMP(changed) > :since", "SUM(UNIX_TIMESTAMP(changed))"),
		"postgres": own("changed", "changed > CAST(:since AS timestamptz)", "SUM(CAST(EXTRACT(EPOCH FROM changed) AS numeric))"),
		"sqlite":   own("changed", "changed > :since", "0"), // has one writer at a time
	},
	// postfixadmin has no server column that says STARTTLS: without usessl, fetchmail uses it where it is offered, and
	// here it is required. Who changes a row by hand does not think of modified, so that the rows themselves say whether
	// they have changed, too.
	"postfixadmin": {
		"mysql": since(postfixadmin("CONCAT(mailbox, '-', id)", "f.usessl = 1", "UNIX_TIMESTAMP(f.modified)"),
			"WHERE UNIX_TIMESTAMP(f.modified) > :since",
			"SELECT COUNT(*), MAX(modified), SUM(CRC32(CONCAT_WS('|', "+postfixadminColumns+"))) "+postfixadminTable),
		"postgres": since(postfixadmin("mailbox || '-' || id", "f.usessl", "f.modified"),
			"WHERE f.modified > CAST(:since AS timestamptz)",
			"SELECT COUNT(*), MAX(modified), MD5(STRING_AGG(CONCAT_WS('|', "+postfixadminColumns+"), '/' ORDER BY id)) "+postfixadminTable),
		"sqlite": {query: strings.ReplaceAll(postfixadmin("mailbox || '-' || id", "f.usessl", "NULL"), where, "")},
	},
	// Mailu notes days alone, so that the rows themselves say whether they have changed.
	"mailu": {
		"mysql":    mailu("CONCAT(user_email, '-', id)", "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', "+mailuColumns+"))) FROM [fetch]"),
		"postgres": mailu("user_email || '-' || id", "SELECT COUNT(*), MD5(STRING_AGG(CONCAT_WS('|', "+mailuColumns+"), '/' ORDER BY id)) FROM [fetch]"),
		"sqlite":   mailu("user_email || '-' || id", ""),
	},
	// mailcow copies folders with imapsync; what is collected here is delivered to user2. Columns that are parameters of imapsync
	// are read as it would get them; see Imapsync.
	"mailcow": {"mysql": since(`SELECT id, CONCAT(user2, '-', id) AS name, active, 'imap' AS protocol, host1 AS host, port1 AS port,
  CASE enc1 WHEN 'SSL' THEN 'implicit' WHEN 'TLS' THEN 'starttls' ELSE 'none' END AS tls, user1 AS [user],
  password1 AS password, 1 - delete1 AS keep, mins_interval * 60 AS [interval], user2 AS recipient,
  CONCAT_WS(' ', CASE WHEN maxage > 0 THEN CONCAT('--maxage ', maxage) END,
    CASE WHEN maxbytespersecond > 0 THEN CONCAT('--maxbytespersecond ', maxbytespersecond) END, <custom_params>) AS options,
  'plain' AS password_encoding, COALESCE(modified, created) AS version
FROM imapsync WHERE dry = 0 {since} ORDER BY id`,
		"AND COALESCE(modified, created) > :since",
		"SELECT COUNT(*), MAX(modified), MAX(created), SUM(active) FROM imapsync")},
	// ISPConfig notes no times at all.
	"ispconfig": {"mysql": {
		query: `SELECT mailget_id AS id, CONCAT(destination, '-', mailget_id) AS name, active, LEFT(type, 4) AS protocol,
  source_server AS host, CASE WHEN type LIKE '%ssl' THEN 'implicit' ELSE 'none' END AS tls, source_username AS [user],
  source_password AS password, 'plain' AS password_encoding, CASE source_delete WHEN 'n' THEN 1 ELSE 0 END AS keep,
  300 AS [interval], destination AS recipient
FROM mail_get WHERE ? = 0 OR server_id = ? ORDER BY mailget_id`,
		version: `SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', mailget_id, server_id, active, type, source_server, source_username,
  source_password, source_delete, destination))) FROM mail_get`,
	}},
}

// own is our own table; see Schema. times is the sum of when rows were changed: a transaction that ends late brings a row
// that is older than the newest one.
func own(version, condition, times string) preset {
	return since(`SELECT id, <name> AS name, active, <protocol> AS protocol, <host> AS host, port, <tls> AS tls, <[user]> AS [user],
  <password> AS password, <folders> AS folders, keep, [interval], <recipient> AS recipient, <deliver> AS deliver,
  `+version+` AS version FROM mailretr_maildrops {since} ORDER BY id`,
		"WHERE "+condition, "SELECT COUNT(*), MAX(changed), SUM(id), "+times+" FROM mailretr_maildrops")
}

const postfixadminColumns = "id, mailbox, src_server, src_user, src_password, src_folder, poll_time, fetchall, keep, protocol, usessl, " +
	"extra_options, active, " + postfixadminPort

// postfixadminPort is the column src_port, which newer ones have: where the table has none, the name means the 0 that stands
// beside it in postfixadminTable.
const (
	postfixadminPort  = "(SELECT src_port FROM fetchmail p WHERE p.id = f.id)"
	postfixadminTable = "FROM (SELECT 0 AS src_port) older CROSS JOIN fetchmail f"
)

func postfixadmin(name, ssl, version string) string {
	return `SELECT f.id, ` + name + ` AS name, f.active, LOWER(f.protocol) AS protocol, <f.src_server> AS host,
  ` + postfixadminPort + ` AS port, CASE WHEN ` + ssl + ` THEN 'implicit' ELSE 'starttls' END AS tls,
  <f.src_user> AS [user], <f.src_password> AS password,
  'base64' AS password_encoding, NULLIF(<f.src_folder>, '') AS folders, f.keep, f.fetchall, f.poll_time * 60 AS [interval],
  f.mailbox AS recipient, <f.extra_options> AS options, ` + version + ` AS version
` + postfixadminTable + ` {since} ORDER BY f.id`
}

const mailuColumns = "id, user_email, protocol, host, port, tls, username, password, folders, keep"

func mailu(name, version string) preset {
	return preset{
		query: `SELECT id, ` + name + ` AS name, protocol, <host> AS host, port, CASE WHEN tls THEN 'implicit' ELSE 'none' END AS tls,
  <username> AS [user], <password> AS password, 'plain' AS password_encoding, <folders> AS folders, keep, user_email AS recipient
FROM [fetch] ORDER BY id`,
		version: version,
	}
}
