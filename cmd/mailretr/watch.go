package main

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"mailretr/conf/yaml"
	"mailretr/store/mail"
)

// quiet is how long files have to be at rest before they are read: an editor writes more than once. What cannot be used then
// may be half of what is being written, over a slow connection say: nobody is told of it before it has been at rest for
// unhurried.
const (
	quiet     = time.Second
	unhurried = 5 * time.Second
)

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
	var heard sync.WaitGroup
	defer heard.Wait()
	defer w.Close()
	mine := map[string]bool{}
	for _, f := range yaml.Files(d.paths, d.house.config.Load()) {
		mine[f] = true
		// A conf.d that is not there cannot be watched; one that comes is seen in the directory above.
		_ = w.Add(filepath.Dir(f))
		_ = w.Add(f)
	}
	changed := make(chan struct{}, 1)
	heard.Go(func() {
		for e := range w.Events { // until it is closed
			if mine[e.Name] || mine[filepath.Dir(e.Name)] && filepath.Ext(e.Name) == ".yaml" {
				select {
				case changed <- struct{}{}:
				default: // it is to be heard already
				}
			}
		}
	})
	heard.Go(func() {
		for err := range w.Errors {
			d.observe(mail.Event{Op: mail.OpConfig, Err: err, Text: "watching the configuration's files"})
		}
	})
	atRest(ctx, changed, func() bool {
		_, _, err := yaml.Load(ctx, d.paths)
		return err == nil
	}, func() {
		// Whether it worked was told by an event.
		_ = d.reload(ctx)
	})
}

// atRest calls judge each time that what has changed is at rest and is whole, or has been at rest for so long that it will
// not become so by itself.
func atRest(ctx context.Context, changed <-chan struct{}, whole func() bool, judge func()) {
	rest := time.NewTimer(time.Hour)
	rest.Stop()
	defer rest.Stop()
	for waited := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			waited = false
			rest.Reset(quiet)
		case <-rest.C:
			switch {
			case len(changed) > 0: // that comes first
			case !waited && !whole():
				waited = true
				rest.Reset(unhurried - quiet)
			default:
				judge()
			}
		}
	}
}
