package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite" // the driver "sqlite", too

	"mailretr/conf"
)

// opens make a database of a DSN, by kind. None connects. endless is set where an answer has no end, of which the error does
// not speak.
var opens = map[string]func(dsn string, endless *atomic.Bool) (*sql.DB, error){
	"mysql": openMySQL, "postgres": openPostgres, "sqlite": openSQLite,
}

const (
	// maxRow bounds a row of PostgreSQL, in octets, and a value of SQLite.
	maxRow = 16 << 20
	// limitLength is SQLITE_LIMIT_LENGTH, and tooBig SQLITE_TOOBIG, which follows from it.
	limitLength, tooBig = 0, 18
	// maxAnswer bounds an answer of MySQL, whose driver takes rows of whatever length.
	maxAnswer = 256 << 20
)

var (
	errRow    = fmt.Errorf("a row has more than %d MB%s", maxRow>>20, less)
	errAnswer = fmt.Errorf("the answer has more than %d MB%s", maxAnswer>>20, less)
	less      = fmt.Sprintf("; let the query take the beginning of long columns, as LEFT(name, %d)", conf.MaxColumn+1)
)

// tooMuch says of an error that too much was sent, where that is why.
func tooMuch(err error, endless *atomic.Bool) error {
	var row *pgproto3.ExceededMaxBodyLenErr
	var value *sqlite.Error
	switch {
	case errors.As(err, &row), errors.As(err, &value) && value.Code() == tooBig:
		return errRow
	case err != nil && endless.Swap(false):
		return errAnswer
	}
	return err
}

// A bounded connection ends where more than maxAnswer comes after a question.
type bounded struct {
	net.Conn
	left    atomic.Int64
	endless *atomic.Bool
}

// Write begins another question.
func (b *bounded) Write(p []byte) (int, error) {
	b.left.Store(maxAnswer)
	return b.Conn.Write(p)
}

// Read reads no more than is left.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.left.Add(-int64(n)) < 0 {
		b.endless.Store(true)
		// What is said at its end helps nobody.
		_ = b.Conn.Close()
		return 0, errAnswer
	}
	return n, err
}

// SyscallConn lets the driver see whether the server has closed a connection that waited.
func (b *bounded) SyscallConn() (syscall.RawConn, error) {
	c, ok := b.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return c.SyscallConn()
}

// idle bounds a wait for the server where no context does.
const idle = 15 * time.Second

// openMySQL reads user:password@tcp(host:3306)/database, or …@unix(/path)/database.
func openMySQL(dsn string, endless *atomic.Bool) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("the DSN is none of MySQL: user:password@tcp(host:3306)/database is wanted")
	}
	// What is read is data: no file of ours is sent, and a query is one statement.
	c.AllowAllFiles, c.MultiStatements, c.ParseTime = false, false, false
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		plain, err := (&net.Dialer{Timeout: idle}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		b := &bounded{Conn: plain, endless: endless}
		b.left.Store(maxAnswer)
		return b, nil
	}
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
func openPostgres(dsn string, _ *atomic.Bool) (*sql.DB, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the DSN is none of PostgreSQL: postgres://user:password@host:5432/database is wanted")
	}
	c.ConnectTimeout, c.MaxProtocolMessageBodyLen = turn(c), maxRow
	c.RuntimeParams["timezone"] = "UTC"
	// Prepared statements outlive a transaction, which PgBouncer does not like.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	return stdlib.OpenDB(*c), nil
}

// turn is how long each of the hosts of a DSN may take, so that a source, which asks for ten seconds, reaches the last of
// them although the others say nothing.
func turn(c *pgx.ConnConfig) time.Duration {
	hosts := map[string]bool{net.JoinHostPort(c.Host, fmt.Sprint(c.Port)): true}
	for _, f := range c.Fallbacks {
		hosts[net.JoinHostPort(f.Host, fmt.Sprint(f.Port))] = true
	}
	if len(hosts) == 1 {
		return idle
	}
	return 9 * time.Second / time.Duration(len(hosts))
}

// openSQLite reads the path of a file, which is never written.
func openSQLite(dsn string, _ *atomic.Bool) (*sql.DB, error) {
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
