package real

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// A Database is a server of ours alone: its own data directory, a socket, no network.
type Database struct {
	DSN string // for package conf/sql and for the driver

	t       TB
	dir     string
	program string
	args    []string
	cred    *syscall.Credential
	cmd     *exec.Cmd
	driver  string
}

// MariaDB starts one with an empty database.
func MariaDB(t TB) *Database {
	t.Helper()
	dir := short(t)
	d := &Database{t: t, dir: dir, driver: "mysql", program: "mariadbd", DSN: "root@unix(" + dir + "/s)/test",
		args: []string{"--no-defaults", "--user=root", "--datadir=" + dir + "/d", "--socket=" + dir + "/s", "--skip-networking",
			"--pid-file=" + dir + "/p", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"}}
	d.run("mariadb-install-db", "--no-defaults", "--user=root", "--datadir="+dir+"/d", "--auth-root-authentication-method=normal")
	d.Start()
	return d
}

// Postgres starts one with an empty database.
func Postgres(t TB) *Database {
	t.Helper()
	dir := short(t)
	d := &Database{t: t, dir: dir, driver: "pgx", program: "postgres",
		DSN:  "host=" + dir + " user=test dbname=postgres sslmode=disable",
		args: []string{"-D", dir + "/d", "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off"}}
	if os.Getuid() == 0 { // it does not run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatalf("%v", err)
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		d.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatalf("%v", err)
		}
	}
	d.run("initdb", "-D", dir+"/d", "-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	d.Start()
	return d
}

// short is a directory whose path leaves room for a socket.
func short(t TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "db")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// find looks where Debian puts the programs of servers.
func (d *Database) find(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range []string{"/usr/sbin/", "/usr/lib/postgresql/*/bin/"} {
		if found, err := filepath.Glob(pattern + name); err == nil && len(found) > 0 {
			return found[len(found)-1]
		}
	}
	d.t.Fatalf("%s is not installed: test/run installs it", name)
	return ""
}

func (d *Database) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(d.find(name), args...)
	c.Dir = d.dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: d.cred}
	return c
}

func (d *Database) run(name string, args ...string) {
	d.t.Helper()
	if out, err := d.command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Start starts the server, and returns when it answers.
func (d *Database) Start() {
	d.t.Helper()
	d.cmd = d.command(d.program, d.args...)
	if err := d.cmd.Start(); err != nil {
		d.t.Fatalf("%v", err)
	}
	cmd := d.cmd
	d.t.Cleanup(func() { d.end(cmd) })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	dsn, first := d.DSN, "SELECT 1"
	if d.driver == "mysql" {
		dsn, first = "root@unix("+d.dir+"/s)/", "CREATE DATABASE IF NOT EXISTS test"
	}
	db, err := sql.Open(d.driver, dsn)
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	defer db.Close()
	for {
		if _, err = db.ExecContext(ctx, first); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			d.t.Fatalf("%s does not answer: %v", d.program, err)
		case <-time.After(50 * time.Millisecond): // another process: nothing to synchronise with
		}
	}
}

// Stop ends the server; Start brings it back with its data.
func (d *Database) Stop() { d.end(d.cmd) }

func (d *Database) end(cmd *exec.Cmd) {
	if cmd.ProcessState != nil {
		return
	}
	cmd.Process.Signal(syscall.SIGQUIT)
	if d.driver == "mysql" {
		cmd.Process.Signal(syscall.SIGTERM)
	}
	late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
}

// Do runs statements, one after another.
func (d *Database) Do(statements ...string) {
	d.t.Helper()
	dsn := d.DSN
	if d.driver == "mysql" {
		dsn += "?multiStatements=true"
	}
	db, err := sql.Open(d.driver, dsn)
	if err != nil {
		d.t.Fatalf("%v", err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			d.t.Fatalf("%s: %v", s, err)
		}
	}
}
