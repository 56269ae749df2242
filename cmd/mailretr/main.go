// Command mailretr collects mail from POP3 and IMAP maildrops, makes it durable, and hands it to the local
// MTA until it is delivered or bounced.
//
// This package is wiring and verbs; there is no mail logic in it. It promises that an answer goes to stdout
// and the talk to stderr, that an error says what to do, and that the exit code is one of sysexits.h (see
// [code]). A verb is one file, named after it; what it asks of the daemon is in package control, how it
// looks in package term.
//
// Read first: [verbs], then serve.go for the daemon and queue.go for a verb.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(called(os.Args))) }

// run runs one verb with the process's own streams. A first signal asks it to end, a second one ends it.
func run(args []string) int {
	noCores()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	defer stop()
	return wired(newApp(os.Stdin, os.Stdout, os.Stderr)).run(ctx, args)
}

// noCores keeps passwords out of core files, for this process and what it starts. Where the limit cannot be set it is
// as it was, which keeps nobody from working: the soft limit can always be lowered.
func noCores() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}

// wired gives the verbs what they need of the house.
func wired(a *app) *app {
	a.open, a.connect = a.inProcess, connectEverywhere
	return a
}

// verbs are the commands at the top, in the order of the help.
func verbs(a *app) []*cobra.Command {
	return []*cobra.Command{
		newServe(a), newPoll(a), newInit(a), newCheck(a), newStatus(a), newQueue(a), newMaildrop(a), newRoute(a), newSeen(a),
		newLogin(a), newSendmail(a), newPreview(a), newReload(a), newConfig(a), newDemo(a), newVersion(a),
		newBackup(a), newRestore(a), newForeign(a), newSource(a), newSQL(a), newLDAP(a), newSecret(a), newWeb(a),
		newMan(a),
	}
}
