// Package real starts real servers for tests and benchmarks: Dovecot, Exim, a line in between that counts, delays and
// cuts, and a recording MTA. Everything lives in one directory and on loopback, with configuration files of its own, and
// ends with the test. It needs Debian's packages; test/run installs them.
package real
