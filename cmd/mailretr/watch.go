package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"mailretr/conf/yaml"
	"mailretr/store/mail"
)

// quiet is how long files have to be at rest before they are read: an editor writes more than once.
const quiet = time.Second

// watch reloads when a file of the configuration changes. Directories are watched, because editors replace files.
func (d *serving) watch(ctx context.Context) {
	if !d.house.config.Load().Watch {
		return
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		d.observe(mail.Event{Op: mail.OpConfig, Err: err, Text: "the configuration's files cannot be watched; SIGHUP still reads them"})
		return
	}
	defer w.Close()
	mine := map[string]bool{}
	for _, f := range yaml.Files(d.paths, d.house.config.Load()) {
		mine[f] = true
		// A conf.d that is not there cannot be watched; one that comes is seen in the directory above.
		_ = w.Add(filepath.Dir(f))
		_ = w.Add(f)
	}
	rest := time.NewTimer(time.Hour)
	rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.Events:
			if mine[e.Name] || mine[filepath.Dir(e.Name)] && filepath.Ext(e.Name) == ".yaml" {
				rest.Reset(quiet)
			}
		case err := <-w.Errors:
			d.observe(mail.Event{Op: mail.OpConfig, Err: err, Text: "watching the configuration's files"})
		case <-rest.C:
			// Whether it worked was told by an event.
			_ = d.reload(ctx)
		}
	}
}
