package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

func newLogin(a *app) *cobra.Command {
	var device, browser, forget bool
	c := &cobra.Command{
		Use:   "login MAILDROP",
		Short: "Sign in with the provider of a maildrop that takes no password",
		Long: "Asks the owner once for consent, for a maildrop with oauth: in the configuration. With the device flow a\n" +
			"code is shown, to be entered on any machine. With a browser the provider sends it back to this machine; if\n" +
			"the browser is on another one, paste the address that it ends at, or the code, here.\n" +
			"The daemon keeps the consent, encrypted, and refreshes what it needs; a token is never shown.",
		Args:              wants(1, "a maildrop", 1),
		ValidArgsFunction: a.completeFirst,
		RunE: func(c *cobra.Command, args []string) error {
			way := ""
			switch {
			case device && browser, forget && (device || browser):
				return usage("login: --device, --browser and --forget exclude each other", "choose one of them")
			case forget:
				return a.house(c.Context(), func(d *control.Client) error { return a.logout(c.Context(), d, args[0]) })
			case device:
				way = control.ByDevice
			case browser:
				way = control.ByBrowser
			}
			return a.house(c.Context(), func(d *control.Client) error { return a.login(c.Context(), d, args[0], way) })
		},
	}
	c.Flags().BoolVar(&device, "device", false, "show a code to be entered elsewhere")
	c.Flags().BoolVar(&browser, "browser", false, "let a browser come back to this machine")
	c.Flags().BoolVar(&forget, "forget", false, "forget the consent instead; the provider's side of it is ended there")
	return c
}

// logout forgets a consent.
func (a *app) logout(ctx context.Context, d *control.Client, name string) error {
	done, err := d.ForgetLogin(ctx, name)
	if err != nil {
		return err
	}
	if a.json {
		return a.line(done)
	}
	a.talk.Printf("the consent of maildrop %s is forgotten here; end it with the provider too\n", done.Maildrop)
	return nil
}

// login signs in for one maildrop.
func (a *app) login(ctx context.Context, d *control.Client, name, way string) error {
	q := control.LoginRequest{Way: way}
	back, err := listenForBrowser(ctx)
	if err != nil {
		return err
	}
	defer back.close()
	q.Redirect = back.address()
	for step, err := range d.Login(ctx, name, q) {
		switch {
		case err != nil:
			return err
		case step.Done:
			return a.signedIn(step)
		case step.Code != "":
			err = a.prompt(step, "Open this address on any machine, and enter the code %s:\n\n    %s\n\n",
				mail.Printable(step.Code, 100), mail.Printable(step.URL, 600))
		default:
			return a.browse(ctx, d, back, step)
		}
		if err != nil {
			return err
		}
	}
	return &control.Error{Code: control.Internal, Text: "the sign-in ended without an answer", Hint: "try again"}
}

// prompt says what is to be done.
func (a *app) prompt(step control.Login, format string, args ...any) error {
	if a.json {
		return a.line(step)
	}
	a.out.Printf(format, args...)
	if !step.Until.IsZero() {
		a.talk.Printf("waiting until %s\n", step.Until.Local().Format("15:04"))
	}
	return nil
}

// browse waits for the browser to come back, or for what the owner pastes, and ends the sign-in.
func (a *app) browse(ctx context.Context, d *control.Client, back *browserBack, step control.Login) error {
	text := "Open this address in a browser and consent:\n\n    %s\n\nIf the browser is on another machine, or shows a " +
		"code, paste the address that it ends at, or the code, here.\n"
	if err := a.prompt(step, text, mail.Printable(step.URL, 3000)); err != nil {
		return err
	}
	if !step.Until.IsZero() {
		limited, cancel := context.WithDeadlineCause(ctx, step.Until, errLate)
		defer cancel()
		ctx = limited
	}
	back.expect(step.State)
	var came answer
	select {
	case came = <-back.came:
	case came = <-pasted(a.in, step.State):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if came.err != nil {
		return came.err
	}
	done, err := d.FinishLogin(ctx, step.Maildrop, control.LoginFinish{State: step.State, Code: came.code})
	if err != nil {
		return err
	}
	return a.signedIn(done)
}

var errLate = &control.Error{Code: control.Tempfail, Text: "nobody consented in time", Hint: "try again"}

func (a *app) signedIn(step control.Login) error {
	if a.json {
		return a.line(step)
	}
	a.talk.Printf("%s maildrop %s is signed in; it is collected at its next turn, or now with: mailretr poll %s\n",
		a.talk.Paint(term.Green, "✓"), step.Maildrop, step.Maildrop)
	return nil
}

// An answer is what a browser came back with.
type answer struct {
	code string
	err  error
}

// pasted reads lines until one holds an answer. Where nobody can write any, it never comes.
func pasted(in io.Reader, state string) <-chan answer {
	c := make(chan answer, 1)
	if in == nil {
		return c
	}
	go func() {
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			if text := strings.TrimSpace(lines.Text()); text != "" {
				code, err := codeIn(text, state)
				c <- answer{code, err}
				return
			}
		}
	}()
	return c
}

// codeIn takes the code out of what was pasted: the address at which a browser ended, or the code alone.
func codeIn(text, state string) (string, error) {
	if !strings.Contains(text, "code=") && !strings.Contains(text, "error=") {
		return text, nil
	}
	_, query, found := strings.Cut(text, "?")
	if !found {
		query = text
	}
	query, _, _ = strings.Cut(query, "#")
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", errors.New("what was pasted is no address with a code in it")
	}
	return consentIn(values, state)
}

// consentIn takes the code out of what a provider sends back (RFC 6749, 4.1.2).
func consentIn(v url.Values, state string) (string, error) {
	switch {
	case v.Get("state") != state:
		return "", &control.Error{Code: control.Denied, Text: "the answer belongs to another sign-in", Hint: "try again"}
	case v.Get("error") != "":
		return "", &control.Error{Code: control.Denied, Hint: "try again, and consent",
			Text: "the provider says: " + mail.Printable(v.Get("error"), 60)}
	case v.Get("code") == "":
		return "", &control.Error{Code: control.Denied, Text: "the answer holds no code", Hint: "try again"}
	}
	return v.Get("code"), nil
}

// patienceOfBrowser bounds one request of a browser.
const patienceOfBrowser = 10 * time.Second
