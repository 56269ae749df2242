package sql

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// opens make a database of a DSN, by kind. None connects.
var opens = map[string]func(dsn string) (*sql.DB, error){
	"mysql": openMySQL, "postgres": openPostgres, "sqlite": openSQLite,
}

// idle bounds a wait for the server where no context does.
const idle = 15 * time.Second

// openMySQL reads user:password@tcp(host:3306)/database, or …@unix(/path)/database.
func openMySQL(dsn string) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("the DSN is none of MySQL: user:password@tcp(host:3306)/database is wanted")
	}
	// What is read is data: no file of ours is sent, and a query is one statement.
	c.AllowAllFiles, c.MultiStatements, c.ParseTime = false, false, false
	c.Timeout, c.ReadTimeout, c.WriteTimeout = idle, idle, idle
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	c.Params["time_zone"], c.Loc = "'+00:00'", time.UTC // what is written and what is compared mean the same anywhere
	c.Logger = &mysql.NopLogger{}                       // it would write to standard error, beside the log; what matters comes as an error
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, errors.New("the DSN cannot be used")
	}
	return sql.OpenDB(connector), nil
}

// openPostgres reads postgres://user:password@host:5432/database, or the words of libpq.
func openPostgres(dsn string) (*sql.DB, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the DSN is none of PostgreSQL: postgres://user:password@host:5432/database is wanted")
	}
	c.ConnectTimeout = idle
	c.RuntimeParams["timezone"] = "UTC"
	// Prepared statements outlive a transaction, which PgBouncer does not like.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	return stdlib.OpenDB(*c), nil
}

// openSQLite reads the path of a file, which is never written.
func openSQLite(dsn string) (*sql.DB, error) {
	if strings.ContainsAny(dsn, "?#") && !strings.HasPrefix(dsn, "/") {
		return nil, errors.New("the DSN of SQLite is the path of a file")
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: dsn}).EscapedPath(),
		RawQuery: "mode=ro&_pragma=query_only(1)&_pragma=busy_timeout(5000)&_pragma=trusted_schema(0)"}
	return sql.Open("sqlite", u.String())
}

// conceal takes the password of a DSN, and the DSN itself, out of a text.
func conceal(text, dsn string) string {
	if dsn == "" {
		return text
	}
	secrets := []string{dsn}
	if c, err := mysql.ParseDSN(dsn); err == nil {
		secrets = append(secrets, c.Passwd)
	}
	if c, err := pgx.ParseConfig(dsn); err == nil {
		secrets = append(secrets, c.Password)
	}
	for _, s := range secrets {
		if s != "" && len(s) > 2 {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	return text
}
