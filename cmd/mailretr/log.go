package main

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"mailretr/conf"
)

// logger writes the log as the configuration wants it: text, or JSON where nobody reads along.
func logger(c *conf.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	// Validate has let only words pass that it knows.
	_ = level.UnmarshalText([]byte(c.Log.Level))
	o := &slog.HandlerOptions{Level: level}
	json := c.Log.Format == "json"
	if c.Log.Format == "auto" {
		f, ok := w.(*os.File)
		json = ok && !term.IsTerminal(int(f.Fd())) && os.Getenv("JOURNAL_STREAM") != ""
	}
	if json {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
